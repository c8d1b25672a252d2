"""Waiting for objects: what is looked at, what must hold, looking once, and looking again and again for many."""

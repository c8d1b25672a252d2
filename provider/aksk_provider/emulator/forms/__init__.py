"""Uploads by HTML form: the body read as it arrives, the policy verified before a byte of the file is kept."""

"""What Airflow reads about this provider; plain data, so that reading it imports nothing."""

from __future__ import annotations

from typing import Any

_CLOUD = "Cloud"
_ADDRESSING = "Addressing and sharing"
_TRANSPORT = "Transport"


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata: the connection type and its form."""
    return {
        "package-name": "airflow-provider-aksk",
        "name": "Object Storage (BOS / OSS / COS)",
        "description": "Baidu BOS, Alibaba OSS and Tencent COS with access key, secret key and token, signed natively.",
        "asset-uris": [
            {
                "schemes": [scheme],
                "handler": "aksk_provider.assets.sanitize_uri",
                "to_openlineage_converter": "aksk_provider.assets.convert_asset_to_openlineage",
                "factory": f"aksk_provider.assets.{scheme}_asset",
            }
            for scheme in ("bos", "oss", "cos")
        ],
        "connection-types": [
            {
                "connection-type": "aksk",
                "hook-class-name": "aksk_provider.hooks.object_storage.ObjectStorageHook",
                "hook-name": "Object Storage (BOS / OSS / COS)",
                "ui-field-behaviour": {
                    "hidden-fields": [],
                    "relabeling": {
                        "login": "Access key (AK)",
                        "password": "Secret key (SK)",
                        "host": "Endpoint",
                        "schema": "Default bucket",
                    },
                    "placeholders": {
                        "login": "BOS: Access Key, OSS: AccessKey ID, COS: SecretId",
                        "password": "BOS: Secret Key, OSS: AccessKey Secret, COS: SecretKey",
                        "host": "empty: cloud and region tell it; or https://bj.bcebos.com",
                        "port": "empty: the endpoint's own",
                        "schema": "examplebucket, COS: examplebucket-1250000000",
                    },
                },
                "conn-fields": _connection_fields(),
            }
        ],
        "extra-links": [
            "aksk_provider.operators.links.ConsoleLink",
            "aksk_provider.operators.links.ObjectLink",
        ],
    }


def _connection_fields() -> dict[str, Any]:
    return {
        "vendor": _field(
            "Cloud",
            "Whose object storage this is. URIs begin with bos://, oss:// or cos://.",
            _CLOUD,
            type="string",
            enum=["bos", "oss", "cos"],
            values_display={"bos": "Baidu BOS", "oss": "Alibaba OSS", "cos": "Tencent COS"},
        ),
        "region": _field(
            "Region",
            "BOS: bj, OSS: cn-hangzhou, COS: ap-guangzhou. May be empty when the endpoint names it.",
            _CLOUD,
            examples=["bj", "gz", "su", "cn-hangzhou", "cn-shanghai", "cn-beijing", "ap-guangzhou", "ap-shanghai"],
        ),
        "security_token": _field(
            "Security token",
            "Only for a temporary key pair. BOS: sessionToken, OSS: SecurityToken, COS: Token (sessionToken) of the "
            "answer that also gave the pair.",
            _CLOUD,
            format="password",
        ),
        "addressing": _field(
            "Addressing",
            "Where requests name the bucket. virtual: examplebucket.bj.bcebos.com, path: 127.0.0.1:9000/examplebucket, "
            "cname: a custom domain that stands for it. auto: as the endpoint looks.",
            _ADDRESSING,
            enum=["auto", "virtual", "path", "cname"],
            default="auto",
        ),
        "public_endpoint": _field(
            "Public endpoint",
            "Host that presigned URLs point to, where other people do not reach the endpoint: a custom domain such as "
            "https://files.example.com, or https://oss-cn-hangzhou.aliyuncs.com beside an internal endpoint.",
            _ADDRESSING,
        ),
        "signature_version": _field(
            "Signature version",
            "OSS only. v4, or v1 for tools and buckets that know no other. Default: v4.",
            _ADDRESSING,
            examples=["v4", "v1"],
        ),
        "verify": _field(
            "Verify TLS", "true, false, or the path of a CA bundle on the workers. Default: true.", _TRANSPORT
        ),
        "proxies": _field(
            "Proxies",
            'Proxy by scheme, over those of the environment: {"https": "http://proxy.example.com:3128"}',
            _TRANSPORT,
            type=["object", "null"],
        ),
        "connect_timeout": _field(
            "Connect timeout",
            "Seconds to wait for a connection. Default: 10.",
            _TRANSPORT,
            type=["number", "null"],
            minimum=1,
        ),
        "read_timeout": _field(
            "Read timeout",
            "Seconds to wait between two bytes. Default: 60.",
            _TRANSPORT,
            type=["number", "null"],
            minimum=1,
        ),
        "max_attempts": _field(
            "Attempts",
            "How often a request is sent at most. Default: 5.",
            _TRANSPORT,
            type=["integer", "null"],
            minimum=1,
        ),
    }


def _field(label: str, description: str, section: str, **schema: Any) -> dict[str, Any]:
    return {
        "label": label,
        "description": description,
        "schema": {"type": ["string", "null"], "section": section, **schema},
    }

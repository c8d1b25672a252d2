"""The vendors' official SDKs behind one set of names, as clients of the emulator."""

from __future__ import annotations

import base64
import hashlib
import io
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import alibabacloud_oss_v2 as oss
import requests
from alibabacloud_oss_v2.credentials import StaticCredentialsProvider
from baidubce.auth.bce_credentials import BceCredentials
from baidubce.bce_client_configuration import BceClientConfiguration
from baidubce.exception import BceHttpClientError
from baidubce.services.bos.bos_client import BosClient
from qcloud_cos import CosConfig, CosS3Client, CosServiceError

from aksk_provider.emulator import Account, Emulator

BUCKETS = {"bos": "examplebucket", "oss": "examplebucket-oss", "cos": "examplebucket-1250000000"}
LIFETIME = 600


@dataclass
class Info:
    """What an SDK says about an object."""

    size: int
    etag: str
    content_type: str
    metadata: dict[str, str] = field(default_factory=dict)


class SdkClient(ABC):
    """One SDK with one key pair."""

    def __init__(self, emulator: Emulator, account: Account, bucket: str) -> None:
        self.emulator, self.account, self.bucket = emulator, account, bucket
        self.session = requests.Session()
        self.session.trust_env = False

    def close(self) -> None:
        self.session.close()

    def fetch(self, method: str, url: str, **options: Any) -> requests.Response:
        """Use a presigned URL with a plain HTTP client."""
        return self.session.request(method, url, timeout=30, **options)

    @abstractmethod
    def put(self, key: str, body: bytes, content_type: str, metadata: dict[str, str]) -> str: ...
    @abstractmethod
    def get(self, key: str) -> bytes: ...
    @abstractmethod
    def get_range(self, key: str, first: int, last: int) -> bytes: ...
    @abstractmethod
    def head(self, key: str) -> Info: ...
    @abstractmethod
    def page(self, prefix: str, marker: str, delimiter: str, limit: int) -> tuple[list[str], list[str], str]: ...
    @abstractmethod
    def delete(self, key: str) -> None: ...
    @abstractmethod
    def delete_many(self, keys: list[str]) -> None: ...
    @abstractmethod
    def copy(self, source: str, target: str) -> str: ...
    @abstractmethod
    def multipart(self, key: str, parts: list[bytes]) -> tuple[str, list[int]]: ...
    @abstractmethod
    def multipart_copy(self, source: str, target: str, size: int) -> str: ...
    @abstractmethod
    def abort(self, key: str) -> list[str]: ...
    @abstractmethod
    def presign(self, method: str, key: str, headers: dict[str, str]) -> str: ...
    @abstractmethod
    def missing(self, key: str) -> tuple[int, str]: ...


class Bos(SdkClient):
    def __init__(self, emulator: Emulator, account: Account, bucket: str) -> None:
        super().__init__(emulator, account, bucket)
        configuration = BceClientConfiguration(
            credentials=BceCredentials(account.access_key, account.secret_key),
            endpoint=emulator.endpoint,
            security_token=account.token,
        )
        self.client = BosClient(configuration)

    def put(self, key: str, body: bytes, content_type: str, metadata: dict[str, str]) -> str:
        answer = self.client.put_object(
            self.bucket, key, io.BytesIO(body), len(body), md5(body), content_type=content_type, user_metadata=metadata
        )
        return answer.metadata.etag

    def get(self, key: str) -> bytes:
        return self.client.get_object_as_string(self.bucket, key)

    def get_range(self, key: str, first: int, last: int) -> bytes:
        return self.client.get_object_as_string(self.bucket, key, range=(first, last))

    def head(self, key: str) -> Info:
        said = self.client.get_object_meta_data(self.bucket, key).metadata
        start = "bce_meta_"
        metadata = {name.removeprefix(start): value for name, value in vars(said).items() if name.startswith(start)}
        return Info(int(said.content_length), said.etag, said.content_type, metadata)

    def page(self, prefix: str, marker: str, delimiter: str, limit: int) -> tuple[list[str], list[str], str]:
        said = self.client.list_objects(
            self.bucket, max_keys=limit, prefix=prefix, marker=marker or None, delimiter=delimiter or None
        )
        prefixes = [entry.prefix for entry in said.common_prefixes or []]
        return [entry.key for entry in said.contents], prefixes, said.next_marker if said.is_truncated else ""

    def delete(self, key: str) -> None:
        self.client.delete_object(self.bucket, key)

    def delete_many(self, keys: list[str]) -> None:
        self.client.delete_multiple_objects(self.bucket, keys)

    def copy(self, source: str, target: str) -> str:
        return self.client.copy_object(self.bucket, source, self.bucket, target).etag

    def multipart(self, key: str, parts: list[bytes]) -> tuple[str, list[int]]:
        upload_id = self.client.initiate_multipart_upload(self.bucket, key).upload_id
        done = []
        for number, part in enumerate(parts, 1):
            answer = self.client.upload_part(
                self.bucket, key, upload_id, number, len(part), io.BytesIO(part), md5(part)
            )
            done.append({"partNumber": number, "eTag": answer.metadata.etag})
        listed = [part.size for part in self.client.list_parts(self.bucket, key, upload_id).parts]
        return self.client.complete_multipart_upload(self.bucket, key, upload_id, done).etag, listed

    def multipart_copy(self, source: str, target: str, size: int) -> str:
        upload_id = self.client.initiate_multipart_upload(self.bucket, target).upload_id
        half = size // 2
        done = []
        for number, (offset, length) in enumerate([(0, half), (half, size - half)], 1):
            answer = self.client.upload_part_copy(
                self.bucket, source, self.bucket, target, upload_id, number, length, offset
            )
            done.append({"partNumber": number, "eTag": answer.etag})
        return self.client.complete_multipart_upload(self.bucket, target, upload_id, done).etag

    def abort(self, key: str) -> list[str]:
        upload_id = self.client.initiate_multipart_upload(self.bucket, key).upload_id
        listed = [upload.key for upload in self.client.list_multipart_uploads(self.bucket, prefix=key).uploads]
        self.client.abort_multipart_upload(self.bucket, key, upload_id)
        return listed + [upload.key for upload in self.client.list_multipart_uploads(self.bucket, prefix=key).uploads]

    def presign(self, method: str, key: str, headers: dict[str, str]) -> str:
        encoded = {name.encode(): value for name, value in headers.items()}
        url = self.client.generate_pre_signed_url(
            self.bucket, key, expiration_in_seconds=LIFETIME, httpmethod=method.encode(), headers=encoded
        )
        return url.decode()

    def missing(self, key: str) -> tuple[int, str]:
        try:
            self.client.get_object(self.bucket, key)
        except BceHttpClientError as error:
            return error.last_error.status_code, error.last_error.code
        return 200, ""


class Oss(SdkClient):
    def __init__(self, emulator: Emulator, account: Account, bucket: str) -> None:
        super().__init__(emulator, account, bucket)
        provider = StaticCredentialsProvider(account.access_key, account.secret_key, account.token)
        self.client = oss.Client(
            oss.Config(
                region="cn-hangzhou",
                endpoint=emulator.endpoint,
                credentials_provider=provider,
                retry_max_attempts=1,
                http_client=None,
            )
        )

    def put(self, key: str, body: bytes, content_type: str, metadata: dict[str, str]) -> str:
        request = oss.PutObjectRequest(
            self.bucket, key, body=body, content_type=content_type, metadata=metadata, content_md5=md5(body)
        )
        return self.client.put_object(request).etag

    def get(self, key: str) -> bytes:
        with self.client.get_object(oss.GetObjectRequest(self.bucket, key)).body as body:
            return body.read()

    def get_range(self, key: str, first: int, last: int) -> bytes:
        request = oss.GetObjectRequest(
            self.bucket, key, range_header=f"bytes={first}-{last}", range_behavior="standard"
        )
        with self.client.get_object(request).body as body:
            return body.read()

    def head(self, key: str) -> Info:
        said = self.client.head_object(oss.HeadObjectRequest(self.bucket, key))
        return Info(said.content_length, said.etag, said.content_type, dict(said.metadata or {}))

    def page(self, prefix: str, marker: str, delimiter: str, limit: int) -> tuple[list[str], list[str], str]:
        said = self.client.list_objects_v2(
            oss.ListObjectsV2Request(
                self.bucket,
                max_keys=limit,
                prefix=prefix,
                delimiter=delimiter or None,
                continuation_token=marker or None,
                encoding_type="url",
            )
        )
        prefixes = [entry.prefix for entry in said.common_prefixes or []]
        keys = [entry.key for entry in said.contents or []]
        return keys, prefixes, said.next_continuation_token if said.is_truncated else ""

    def delete(self, key: str) -> None:
        self.client.delete_object(oss.DeleteObjectRequest(self.bucket, key))

    def delete_many(self, keys: list[str]) -> None:
        request = oss.DeleteMultipleObjectsRequest(
            self.bucket, encoding_type="url", objects=[oss.DeleteObject(key) for key in keys]
        )
        deleted = self.client.delete_multiple_objects(request).deleted_objects
        assert [entry.key for entry in deleted] == keys

    def copy(self, source: str, target: str) -> str:
        request = oss.CopyObjectRequest(self.bucket, target, source_bucket=self.bucket, source_key=source)
        return self.client.copy_object(request).etag

    def multipart(self, key: str, parts: list[bytes]) -> tuple[str, list[int]]:
        upload_id = self.client.initiate_multipart_upload(
            oss.InitiateMultipartUploadRequest(self.bucket, key)
        ).upload_id
        done = []
        for number, part in enumerate(parts, 1):
            request = oss.UploadPartRequest(
                self.bucket, key, part_number=number, upload_id=upload_id, body=part, content_md5=md5(part)
            )
            done.append(oss.UploadPart(number, self.client.upload_part(request).etag))
        listed = self.client.list_parts(oss.ListPartsRequest(self.bucket, key, upload_id=upload_id)).parts
        complete = oss.CompleteMultipartUploadRequest(
            self.bucket, key, upload_id=upload_id, complete_multipart_upload=oss.CompleteMultipartUpload(done)
        )
        return self.client.complete_multipart_upload(complete).etag, [part.size for part in listed]

    def multipart_copy(self, source: str, target: str, size: int) -> str:
        upload_id = self.client.initiate_multipart_upload(
            oss.InitiateMultipartUploadRequest(self.bucket, target)
        ).upload_id
        half = size // 2
        done = []
        for number, source_range in enumerate([f"bytes=0-{half - 1}", f"bytes={half}-{size - 1}"], 1):
            request = oss.UploadPartCopyRequest(
                self.bucket,
                target,
                part_number=number,
                upload_id=upload_id,
                source_bucket=self.bucket,
                source_key=source,
                source_range=source_range,
            )
            done.append(oss.UploadPart(number, self.client.upload_part_copy(request).etag))
        complete = oss.CompleteMultipartUploadRequest(
            self.bucket, target, upload_id=upload_id, complete_multipart_upload=oss.CompleteMultipartUpload(done)
        )
        return self.client.complete_multipart_upload(complete).etag

    def abort(self, key: str) -> list[str]:
        upload_id = self.client.initiate_multipart_upload(
            oss.InitiateMultipartUploadRequest(self.bucket, key)
        ).upload_id
        asked = oss.ListMultipartUploadsRequest(self.bucket, prefix=key, encoding_type="url")
        before = [upload.key for upload in self.client.list_multipart_uploads(asked).uploads or []]
        self.client.abort_multipart_upload(oss.AbortMultipartUploadRequest(self.bucket, key, upload_id=upload_id))
        return before + [upload.key for upload in self.client.list_multipart_uploads(asked).uploads or []]

    def presign(self, method: str, key: str, headers: dict[str, str]) -> str:
        if method == "GET":
            request: Any = oss.GetObjectRequest(self.bucket, key)
        else:
            request = oss.PutObjectRequest(self.bucket, key, content_type=headers.get("Content-Type"))
        return self.client.presign(request, expires=timedelta(seconds=LIFETIME)).url

    def missing(self, key: str) -> tuple[int, str]:
        try:
            self.client.get_object(oss.GetObjectRequest(self.bucket, key))
        except oss.exceptions.OperationError as error:
            cause = error.unwrap()
            return cause.status_code, cause.code
        return 200, ""


class Cos(SdkClient):
    def __init__(self, emulator: Emulator, account: Account, bucket: str) -> None:
        super().__init__(emulator, account, bucket)
        # The emulator as a forward proxy: the SDK uses and signs the vendor's own host names.
        self.session.proxies = {"http": emulator.endpoint}
        configuration = CosConfig(
            Region="ap-guangzhou",
            SecretId=account.access_key,
            SecretKey=account.secret_key,
            Token=account.token,
            Scheme="http",
            Proxies={"http": emulator.endpoint},
        )
        self.client = CosS3Client(configuration, retry=0, session=self.session)

    def put(self, key: str, body: bytes, content_type: str, metadata: dict[str, str]) -> str:
        named = {f"x-cos-meta-{name}": value for name, value in metadata.items()}
        answer = self.client.put_object(
            self.bucket, body, key, EnableMD5=True, ContentType=content_type, Metadata=named
        )
        return answer["ETag"]

    def get(self, key: str) -> bytes:
        return self.client.get_object(self.bucket, key)["Body"].get_raw_stream().read()

    def get_range(self, key: str, first: int, last: int) -> bytes:
        return self.client.get_object(self.bucket, key, Range=f"bytes={first}-{last}")["Body"].get_raw_stream().read()

    def head(self, key: str) -> Info:
        said = self.client.head_object(self.bucket, key)
        start = "x-cos-meta-"
        metadata = {name.removeprefix(start): value for name, value in said.items() if name.startswith(start)}
        return Info(int(said["Content-Length"]), said["ETag"], said["Content-Type"], metadata)

    def page(self, prefix: str, marker: str, delimiter: str, limit: int) -> tuple[list[str], list[str], str]:
        said = self.client.list_objects(self.bucket, Prefix=prefix, Delimiter=delimiter, Marker=marker, MaxKeys=limit)
        prefixes = [entry["Prefix"] for entry in said.get("CommonPrefixes", [])]
        keys = [entry["Key"] for entry in said.get("Contents", [])]
        return keys, prefixes, said["NextMarker"] if said["IsTruncated"] == "true" else ""

    def delete(self, key: str) -> None:
        self.client.delete_object(self.bucket, key)

    def delete_many(self, keys: list[str]) -> None:
        answer = self.client.delete_objects(self.bucket, {"Object": [{"Key": key} for key in keys], "Quiet": "false"})
        assert [entry["Key"] for entry in answer["Deleted"]] == keys

    def copy(self, source: str, target: str) -> str:
        where = {"Bucket": self.bucket, "Key": source, "Region": "ap-guangzhou"}
        return self.client.copy_object(self.bucket, target, where)["ETag"]

    def multipart(self, key: str, parts: list[bytes]) -> tuple[str, list[int]]:
        upload_id = self.client.create_multipart_upload(self.bucket, key)["UploadId"]
        done = []
        for number, part in enumerate(parts, 1):
            etag = self.client.upload_part(self.bucket, key, part, number, upload_id, EnableMD5=True)["ETag"]
            done.append({"PartNumber": number, "ETag": etag})
        listed = [int(part["Size"]) for part in self.client.list_parts(self.bucket, key, upload_id)["Part"]]
        answer = self.client.complete_multipart_upload(self.bucket, key, upload_id, {"Part": done})
        return answer["ETag"], listed

    def multipart_copy(self, source: str, target: str, size: int) -> str:
        upload_id = self.client.create_multipart_upload(self.bucket, target)["UploadId"]
        where = {"Bucket": self.bucket, "Key": source, "Region": "ap-guangzhou"}
        half = size // 2
        done = []
        for number, source_range in enumerate([f"bytes=0-{half - 1}", f"bytes={half}-{size - 1}"], 1):
            answer = self.client.upload_part_copy(self.bucket, target, number, upload_id, where, source_range)
            done.append({"PartNumber": number, "ETag": answer["ETag"]})
        return self.client.complete_multipart_upload(self.bucket, target, upload_id, {"Part": done})["ETag"]

    def abort(self, key: str) -> list[str]:
        upload_id = self.client.create_multipart_upload(self.bucket, key)["UploadId"]
        before = self.client.list_multipart_uploads(self.bucket, Prefix=key).get("Upload", [])
        self.client.abort_multipart_upload(self.bucket, key, upload_id)
        after = self.client.list_multipart_uploads(self.bucket, Prefix=key).get("Upload", [])
        return [upload["Key"] for upload in [*before, *after]]

    def presign(self, method: str, key: str, headers: dict[str, str]) -> str:
        # The SDK does not put its token into URLs: its users pass it as a parameter.
        params = {"x-cos-security-token": self.account.token} if self.account.token else {}
        return self.client.get_presigned_url(self.bucket, key, method, Expired=LIFETIME, Params=params, Headers=headers)

    def missing(self, key: str) -> tuple[int, str]:
        try:
            self.client.get_object(self.bucket, key)
        except CosServiceError as error:
            return error.get_status_code(), error.get_error_code()
        return 200, ""


SDKS: dict[str, type[SdkClient]] = {"bos": Bos, "oss": Oss, "cos": Cos}
PACKAGES = {"bos": "bce-python-sdk", "oss": "alibabacloud-oss-v2", "cos": "cos-python-sdk-v5"}


def md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body).digest()).decode()

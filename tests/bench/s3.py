"""Requests to S3 servers, signed once (AWS Signature Version 4), so that wrk can repeat them."""
import hashlib
import hmac
import time
import urllib.parse
import urllib.request

ACCESS, SECRET, REGION = "benchbench", "benchbenchbench", "us-east-1"
UNSIGNED = "UNSIGNED-PAYLOAD"


def _digest(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def headers(method, url, extra=()):
    """The header lines that sign a request; those of `extra` are lower case and signed too. The
    query's names must be in order."""
    where, now = urllib.parse.urlsplit(url), time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    signed = dict(sorted({"host": where.netloc, "x-amz-content-sha256": UNSIGNED, "x-amz-date": now,
                          **dict(extra)}.items()))
    names, scope = ";".join(signed), f"{now[:8]}/{REGION}/s3/aws4_request"
    request = "\n".join([method, where.path, where.query,
                         *(f"{name}:{value}" for name, value in signed.items()), "", names, UNSIGNED])
    to_sign = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = f"AWS4{SECRET}".encode()
    for part in scope.split("/"):
        key = _digest(key, part)
    signature = _digest(key, to_sign).hex()
    return {**signed, "authorization": f"AWS4-HMAC-SHA256 Credential={ACCESS}/{scope}, "
                                       f"SignedHeaders={names}, Signature={signature}"}


def put(url, body=b"", extra=()):
    """PUT of a bucket or an object; a failure is an OSError."""
    request = urllib.request.Request(url, data=body, method="PUT", headers=headers("PUT", url, extra))
    urllib.request.urlopen(request).close()

"""What a request of S3 needs. Its actions are named after what they touch, and not after the call."""

from urllib.parse import unquote

# Of a bucket, by what the query names: the action that reads it and the one that writes it.
OF_BUCKET = {
    "versioning": ("GetBucketVersioning", "PutBucketVersioning"),
    "encryption": ("GetEncryptionConfiguration", "PutEncryptionConfiguration"),
    "publicAccessBlock": ("GetBucketPublicAccessBlock", "PutBucketPublicAccessBlock"),
    "policy": ("GetBucketPolicy", "PutBucketPolicy"),
    "policyStatus": ("GetBucketPolicyStatus", ""),
    "tagging": ("GetBucketTagging", "PutBucketTagging"),
    "location": ("GetBucketLocation", ""),
    "ownershipControls": ("GetBucketOwnershipControls", "PutBucketOwnershipControls"),
    "lifecycle": ("GetLifecycleConfiguration", "PutLifecycleConfiguration"),
    "uploads": ("ListBucketMultipartUploads", ""),
    "versions": ("ListBucketVersions", ""),
    "acl": ("GetBucketAcl", "PutBucketAcl"),
    "logging": ("GetBucketLogging", "PutBucketLogging"),
    "object-lock": ("GetBucketObjectLockConfiguration", "PutBucketObjectLockConfiguration"),
}


def needed(request):
    bucket, _, key = request.path.lstrip("/").partition("/")
    key, arn, method = unquote(key), f"arn:aws:s3:::{bucket}", request.method
    if not bucket:
        yield "s3:ListAllMyBuckets", "*", {}
    elif not key:
        for action in of_bucket(request.query, method):
            yield f"s3:{action}", f"{arn}/*" if action == "DeleteObject" else arn, {}
    else:
        for action in of_object(request.query, method, request.headers):
            yield f"s3:{action}", f"{arn}/{key}", {}
        source = request.headers.get("HTTP_X_AMZ_COPY_SOURCE")
        if source:
            yield "s3:GetObject", f"arn:aws:s3:::{unquote(source).lstrip('/').partition('?')[0]}", {}


def of_bucket(query, method):
    about = next((name for name in OF_BUCKET if name in query), None)
    if about == "policy" and method == "DELETE":
        return ["DeleteBucketPolicy"]
    if about:
        return [OF_BUCKET[about][method != "GET"]]
    if "delete" in query:
        return ["DeleteObject"]
    return [{"PUT": "CreateBucket", "DELETE": "DeleteBucket"}.get(method, "ListBucket")]


def of_object(query, method, headers):
    if "tagging" in query:
        return [{"GET": "GetObjectTagging", "DELETE": "DeleteObjectTagging"}.get(method, "PutObjectTagging")]
    if method in ("GET", "HEAD"):
        if "uploadId" in query:
            return ["ListMultipartUploadParts"]
        return ["GetObjectVersion" if "versionId" in query else "GetObject"]
    if method == "DELETE":
        if "uploadId" in query:
            return ["AbortMultipartUpload"]
        return ["DeleteObjectVersion" if "versionId" in query else "DeleteObject"]
    return ["PutObject", *(["PutObjectTagging"] if "HTTP_X_AMZ_TAGGING" in headers else [])]

// A bucket for logs, which are deleted after some days.
#include "guest.h"
#include "json.h"

// JSON Schema of the step's `with` table. llmhost checks it and fills the defaults in.
static const char SCHEMA[] =
    "{\"type\": \"object\", \"additionalProperties\": false, \"required\": [\"bucket\"], \"properties\": {"
    "\"bucket\": {\"type\": \"string\", \"description\": \"Name of the bucket.\"},"
    "\"keep_days\": {\"type\": \"integer\", \"minimum\": 1, \"default\": 30,"
    " \"description\": \"Days until a log is deleted.\"}}}";

static void output(guest_description_t *description, const char *name, const char *words) {
    size_t count = description->outputs.len + 1;
    description->outputs.ptr = realloc(description->outputs.ptr, count * sizeof *description->outputs.ptr);
    if (description->outputs.ptr == NULL) abort();
    llmhost_plugin_types_output_doc_t *doc = &description->outputs.ptr[description->outputs.len];
    guest_string_dup(&doc->name, name);
    guest_string_dup(&doc->description, words);
    doc->value_type.is_some = true;
    doc->value_type.val = LLMHOST_PLUGIN_TYPES_VALUE_TYPE_TEXT;
    description->outputs.len = count;
}

// What is returned is freed by the bindings, so texts are copied (`dup`).
void exports_guest_describe(guest_description_t *ret) {
    memset(ret, 0, sizeof *ret);
    guest_string_dup(&ret->summary, "A bucket for logs, which are deleted after some days.");
    guest_string_dup(&ret->config_schema, SCHEMA);
    output(ret, "name", "Name of the bucket");
    output(ret, "arn", "ARN of the bucket");
}

static guest_string_t text(const char *from) {
    guest_string_t text;
    guest_string_set(&text, from);
    return text;
}

bool exports_guest_run(guest_string_t *config, guest_string_t *ret, guest_failure_t *err) {
    const char *json = (const char *)config->ptr;
    char *name = json_text(json, config->len, "bucket");
    uint32_t days = (uint32_t)json_integer(json, config->len, "keep_days", 30);

    llmhost_aws_s3_s3_lifecycle_rule_t expire = {
        .id = text("expire"),
        .prefix = text(""),
        .expire_after_days = {.is_some = true, .val = days},
    };
    llmhost_aws_s3_s3_bucket_spec_t spec = {
        .bucket = text(name),
        .block_public_access = true,
        .encryption = {.tag = LLMHOST_AWS_S3_S3_ENCRYPTION_S3_MANAGED},
        .lifecycle = {.ptr = &expire, .len = 1},
    };
    llmhost_aws_s3_s3_options_t options = {0};
    guest_string_t logs = text("logs"), bucket_name, arn;
    llmhost_aws_s3_s3_own_bucket_t bucket;
    // Says what should exist, and returns at once; reading an output waits until it does. A failure of the host is
    // returned as it is.
    if (!llmhost_aws_s3_s3_static_bucket_declare(&logs, &spec, &options, &bucket, err)) return false;
    llmhost_aws_s3_s3_borrow_bucket_t of = llmhost_aws_s3_s3_borrow_bucket(bucket);
    if (!llmhost_aws_s3_s3_method_bucket_bucket_name(of, &bucket_name, err)) return false;
    if (!llmhost_aws_s3_s3_method_bucket_arn(of, &arn, err)) return false;

    char message[64];
    snprintf(message, sizeof message, "logs stay %u days", (unsigned)days);
    guest_string_t said = text(message);
    llmhost_plugin_log_write(LLMHOST_PLUGIN_LOG_LEVEL_INFO, &said);

    struct json_object outputs = {0};
    json_put(&outputs, "name", (const char *)bucket_name.ptr, bucket_name.len);
    json_put(&outputs, "arn", (const char *)arn.ptr, arn.len);
    json_end(&outputs);
    ret->ptr = (uint8_t *)outputs.text;
    ret->len = outputs.bytes;
    guest_string_free(&bucket_name);
    guest_string_free(&arn);
    free(name);
    return true;
}

//! A topic for alerts, a bucket that keeps them, and a security group for who reads them.
const std = @import("std");
const guest = @import("guest");

const gpa = std.heap.c_allocator;

const Options = struct {
    name: []const u8,
    vpc_id: []const u8,
    source: []const u8,
    port: u16,
    versioning: bool,
};

const Outputs = struct {
    topic_arn: []const u8,
    bucket_arn: []const u8,
    security_group_id: []const u8,
    port: u16,
};

const schema =
    \\{
    \\  "type": "object",
    \\  "additionalProperties": false,
    \\  "required": ["name", "vpc_id"],
    \\  "properties": {
    \\    "name": {"type": "string", "pattern": "^[a-z0-9-]{3,40}$", "description": "Name of the topic."},
    \\    "vpc_id": {"type": "string", "description": "The network of the security group."},
    \\    "source": {"type": "string", "default": "10.0.0.0/8", "description": "Who may read, an IPv4 range."},
    \\    "port": {"type": "integer", "minimum": 1, "maximum": 65535, "default": 443, "description": "The port."},
    \\    "versioning": {"type": "boolean", "default": false, "description": "Whether changed alerts are kept."}
    \\  }
    \\}
;

fn lent(text: []const u8) guest.guest_string_t {
    return .{ .ptr = @constCast(text.ptr), .len = text.len };
}

fn given(text: []const u8) guest.guest_string_t {
    return lent(gpa.dupe(u8, text) catch @panic("out of memory"));
}

fn taken(text: guest.guest_string_t) []const u8 {
    return text.ptr[0..text.len];
}

fn output(name: []const u8, words: []const u8, of: u8) guest.llmhost_plugin_types_output_doc_t {
    return .{ .name = given(name), .description = given(words), .value_type = .{ .is_some = true, .val = of }, .sensitive = std.mem.eql(u8, name, "topic_arn") };
}

export fn exports_guest_describe(ret: *guest.guest_description_t) void {
    const text = guest.LLMHOST_PLUGIN_TYPES_VALUE_TYPE_TEXT;
    const outputs = gpa.dupe(guest.llmhost_plugin_types_output_doc_t, &.{
        output("topic_arn", "ARN of the topic", text),
        output("bucket_arn", "ARN of the bucket", text),
        output("security_group_id", "ID of the security group", text),
        output("port", "The port", guest.LLMHOST_PLUGIN_TYPES_VALUE_TYPE_NUMBER),
    }) catch @panic("out of memory");
    const needs = gpa.dupe(guest.guest_string_t, &.{given("cloud-control:AWS::SNS::Topic")}) catch @panic("out of memory");
    ret.* = .{
        .summary = given("A topic for alerts, a bucket that keeps them, and a security group for who reads them."),
        .config_schema = given(schema),
        .outputs = .{ .ptr = outputs.ptr, .len = outputs.len },
        .needs = .{ .ptr = needs.ptr, .len = needs.len },
    };
}

export fn exports_guest_run(config: *guest.guest_string_t, ret: *guest.guest_string_t, err: *guest.guest_failure_t) bool {
    const parsed = std.json.parseFromSlice(Options, gpa, taken(config.*), .{}) catch |failure| {
        err.* = .{ .code = guest.LLMHOST_PLUGIN_TYPES_FAILURE_CODE_INVALID, .message = given(@errorName(failure)) };
        return false;
    };
    const options = parsed.value;
    var after: guest.llmhost_plugin_types_options_t = .{};

    const properties = std.json.Stringify.valueAlloc(gpa, .{ .TopicName = options.name }, .{}) catch @panic("out of memory");
    var create_only = lent("TopicName");
    var topic_spec: guest.llmhost_aws_cloud_control_cloud_control_entity_spec_t = .{
        .type_name = lent("AWS::SNS::Topic"),
        .properties = lent(properties),
        .create_only = .{ .ptr = &create_only, .len = 1 },
        .wait_minutes = 5,
    };
    var named = lent("alerts");
    var topic: guest.llmhost_aws_cloud_control_cloud_control_own_entity_t = undefined;
    if (!guest.llmhost_aws_cloud_control_cloud_control_static_entity_declare(&named, &topic_spec, &after, &topic, err)) return false;

    const bucket_name = std.fmt.allocPrint(gpa, "{s}-archive", .{options.name}) catch @panic("out of memory");
    var tag: guest.guest_tuple2_string_string_t = .{ .f0 = lent("holds"), .f1 = lent("alerts") };
    var bucket_spec: guest.llmhost_aws_s3_s3_bucket_spec_t = .{
        .bucket = lent(bucket_name),
        .block_public_access = true,
        .encryption = .{ .tag = guest.LLMHOST_AWS_S3_S3_ENCRYPTION_S3_MANAGED },
        .versioning = options.versioning,
        .tags = .{ .ptr = &tag, .len = 1 },
    };
    named = lent("archive");
    var bucket: guest.llmhost_aws_s3_s3_own_bucket_t = undefined;
    if (!guest.llmhost_aws_s3_s3_static_bucket_declare(&named, &bucket_spec, &after, &bucket, err)) return false;

    var group_spec: guest.llmhost_aws_ec2_ec2_security_group_spec_t = .{
        .vpc_id = lent(options.vpc_id),
        .group_name = lent(options.name),
        .description = lent("Reads alerts"),
    };
    named = lent("readers");
    var group: guest.llmhost_aws_ec2_ec2_own_security_group_t = undefined;
    if (!guest.llmhost_aws_ec2_ec2_static_security_group_declare(&named, &group_spec, &after, &group, err)) return false;
    var group_id: guest.guest_string_t = undefined;
    if (!guest.llmhost_aws_ec2_ec2_method_security_group_id(guest.llmhost_aws_ec2_ec2_borrow_security_group(group), &group_id, err)) return false;

    var rule_spec: guest.llmhost_aws_ec2_ec2_security_group_rule_spec_t = .{
        .security_group_id = group_id,
        .direction = guest.LLMHOST_AWS_EC2_EC2_DIRECTION_INGRESS,
        .ip_protocol = lent("tcp"),
        .from_port = options.port,
        .to_port = options.port,
        .peer = .{ .tag = guest.LLMHOST_AWS_EC2_EC2_PEER_CIDR, .val = .{ .cidr = lent(options.source) } },
        .description = lent("Readers"),
    };
    var rule: guest.llmhost_aws_ec2_ec2_own_security_group_rule_t = undefined;
    if (!guest.llmhost_aws_ec2_ec2_static_security_group_rule_declare(&named, &rule_spec, &after, &rule, err)) return false;

    var message = lent(std.fmt.allocPrint(gpa, "alerts of {s} are kept", .{options.name}) catch @panic("out of memory"));
    guest.llmhost_plugin_log_write(guest.LLMHOST_PLUGIN_LOG_LEVEL_INFO, &message);

    var topic_arn: guest.guest_string_t = undefined;
    var bucket_arn: guest.guest_string_t = undefined;
    const entity = guest.llmhost_aws_cloud_control_cloud_control_borrow_entity(topic);
    if (!guest.llmhost_aws_cloud_control_cloud_control_method_entity_identifier(entity, &topic_arn, err)) return false;
    if (!guest.llmhost_aws_s3_s3_method_bucket_arn(guest.llmhost_aws_s3_s3_borrow_bucket(bucket), &bucket_arn, err)) return false;
    const outputs: Outputs = .{
        .topic_arn = taken(topic_arn),
        .bucket_arn = taken(bucket_arn),
        .security_group_id = taken(group_id),
        .port = options.port,
    };
    ret.* = lent(std.json.Stringify.valueAlloc(gpa, outputs, .{}) catch @panic("out of memory"));
    return true;
}

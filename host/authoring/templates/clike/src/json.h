// Reads the top level of the options, which are a JSON object, and writes the outputs as one. llmhost has checked the
// options against the schema before, so this reads well-formed JSON.
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline const char *json_space(const char *at, const char *end) {
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')) at++;
    return at;
}

// The first character after a string, which begins at `at`.
static inline const char *json_after_string(const char *at, const char *end) {
    for (at++; at < end && *at != '"'; at++)
        if (*at == '\\') at++;
    return at < end ? at + 1 : end;
}

// The first character after a value.
static inline const char *json_after_value(const char *at, const char *end) {
    int depth = 0;
    while (at < end) {
        if (*at == '"') {
            at = json_after_string(at, end);
            if (depth == 0) return at;
            continue;
        }
        if (*at == '{' || *at == '[') depth++;
        if (*at == '}' || *at == ']' || (*at == ',' && depth == 0)) {
            if (depth == 0) return at;
            if (--depth == 0) return at + 1;
        }
        at++;
    }
    return end;
}

// Where the value of a key begins; NULL where there is none, or where it is null.
static inline const char *json_find(const char *json, size_t bytes, const char *key) {
    const char *end = json + bytes, *at = json_space(json, end);
    size_t length = strlen(key);
    if (at == end || *at != '{') return NULL;
    at = json_space(at + 1, end);
    while (at < end && *at == '"') {
        const char *name = at + 1, *after = json_after_string(at, end);
        bool same = (size_t)(after - name) == length + 1 && memcmp(name, key, length) == 0;
        at = json_space(json_space(after, end) + 1, end);
        if (same) return at < end && *at != 'n' ? at : NULL;
        at = json_space(json_after_value(at, end), end);
        if (at < end && *at == ',') at = json_space(at + 1, end);
    }
    return NULL;
}

static inline unsigned json_hex(const char *at) {
    char digits[5] = {at[0], at[1], at[2], at[3], 0};
    return (unsigned)strtoul(digits, NULL, 16);
}

// The text of a key, to be freed; NULL where there is none.
static inline char *json_text(const char *json, size_t bytes, const char *key) {
    const char *at = json_find(json, bytes, key), *end = json + bytes;
    if (at == NULL || *at != '"') return NULL;
    // No escape is shorter than what it stands for.
    char *text = (char *)malloc(bytes + 1), *to = text;
    if (text == NULL) abort();
    for (at++; at < end && *at != '"'; at++) {
        if (*at != '\\') {
            *to++ = *at;
            continue;
        }
        unsigned code = 0;
        switch (*++at) {
        case 'b': *to++ = '\b'; continue;
        case 'f': *to++ = '\f'; continue;
        case 'n': *to++ = '\n'; continue;
        case 'r': *to++ = '\r'; continue;
        case 't': *to++ = '\t'; continue;
        case 'u': break;
        default: *to++ = *at; continue;
        }
        if (end - at < 5) break;
        code = json_hex(at + 1);
        at += 4;
        if (code >= 0xd800 && code < 0xdc00 && end - at > 6 && at[1] == '\\' && at[2] == 'u') {
            code = 0x10000 + ((code - 0xd800) << 10) + (json_hex(at + 3) - 0xdc00);
            at += 6;
        }
        if (code < 0x80) {
            *to++ = (char)code;
        } else if (code < 0x800) {
            *to++ = (char)(0xc0 | code >> 6);
            *to++ = (char)(0x80 | (code & 0x3f));
        } else if (code < 0x10000) {
            *to++ = (char)(0xe0 | code >> 12);
            *to++ = (char)(0x80 | (code >> 6 & 0x3f));
            *to++ = (char)(0x80 | (code & 0x3f));
        } else {
            *to++ = (char)(0xf0 | code >> 18);
            *to++ = (char)(0x80 | (code >> 12 & 0x3f));
            *to++ = (char)(0x80 | (code >> 6 & 0x3f));
            *to++ = (char)(0x80 | (code & 0x3f));
        }
    }
    *to = 0;
    return text;
}

// The number of a key, or another one where there is none.
static inline int64_t json_integer(const char *json, size_t bytes, const char *key, int64_t otherwise) {
    const char *at = json_find(json, bytes, key), *end = json + bytes;
    if (at == NULL) return otherwise;
    char digits[32] = {0};
    size_t length = (size_t)(json_after_value(at, end) - at);
    memcpy(digits, at, length < sizeof digits ? length : sizeof digits - 1);
    return strtoll(digits, NULL, 10);
}

// An object that grows: `json_put` adds a text, `json_end` closes it.
struct json_object {
    char *text;
    size_t bytes;
};

static inline void json_add(struct json_object *object, const char *text, size_t bytes) {
    char *more = (char *)realloc(object->text, object->bytes + bytes + 1);
    if (more == NULL) abort();
    object->text = more;
    memcpy(object->text + object->bytes, text, bytes);
    object->bytes += bytes;
    object->text[object->bytes] = 0;
}

static inline void json_add_string(struct json_object *object, const char *text, size_t bytes) {
    json_add(object, "\"", 1);
    for (size_t i = 0; i < bytes; i++) {
        unsigned char byte = (unsigned char)text[i];
        char escape[8];
        if (byte == '"' || byte == '\\') json_add(object, "\\", 1);
        if (byte < 0x20) json_add(object, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", byte));
        else json_add(object, text + i, 1);
    }
    json_add(object, "\"", 1);
}

static inline void json_put(struct json_object *object, const char *key, const char *text, size_t bytes) {
    json_add(object, object->bytes ? "," : "{", 1);
    json_add_string(object, key, strlen(key));
    json_add(object, ":", 1);
    json_add_string(object, text, bytes);
}

static inline void json_end(struct json_object *object) { json_add(object, object->bytes ? "}" : "{}", object->bytes ? 1 : 2); }

#endif

// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

struct hash {
    EVP_MD_CTX *ctx;
};

struct hash *hash_new(void) {
    struct hash *h = must_calloc(1, sizeof *h);
    h->ctx = EVP_MD_CTX_new();
    MUST(h->ctx != NULL);
    MUST(EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL) == 1);
    return h;
}

void hash_update(struct hash *h, const void *data, size_t len) {
    MUST(EVP_DigestUpdate(h->ctx, data, len) == 1);
}

static void hash_length(struct hash *h, uint64_t len) {
    uint8_t prefix[8];
    for (size_t i = 0; i < sizeof prefix; i++) {
        prefix[i] = (uint8_t)(len >> (56 - 8 * i));
    }
    hash_update(h, prefix, sizeof prefix);
}

void hash_field(struct hash *h, const void *data, size_t len) {
    hash_length(h, len);
    hash_update(h, data, len);
}

void hash_field_str(struct hash *h, const char *s) {
    if (s == NULL) {
        hash_length(h, UINT64_MAX); // no field is that long
        return;
    }
    hash_field(h, s, strlen(s));
}

void hash_final(struct hash *h, uint8_t out[HASH_SIZE]) {
    MUST(EVP_DigestFinal_ex(h->ctx, out, NULL) == 1);
    MUST(EVP_DigestInit_ex(h->ctx, NULL, NULL) == 1); // the same algorithm, not looked up again
}

void hash_so_far(const struct hash *h, uint8_t out[HASH_SIZE]) {
    EVP_MD_CTX *copy = EVP_MD_CTX_new();
    MUST(copy != NULL && EVP_MD_CTX_copy_ex(copy, h->ctx) == 1);
    MUST(EVP_DigestFinal_ex(copy, out, NULL) == 1);
    EVP_MD_CTX_free(copy);
}

void hash_free(struct hash *h) {
    if (h != NULL) {
        EVP_MD_CTX_free(h->ctx);
        free(h);
    }
}

void hash_cleanup(struct hash **h) {
    hash_free(*h);
    *h = NULL;
}

void hash_bytes(const void *data, size_t len, uint8_t out[HASH_SIZE]) {
    MUST(EVP_Digest(data, len, out, NULL, EVP_sha256(), NULL) == 1);
}

void hash_hex(const uint8_t in[HASH_SIZE], char out[HASH_HEX]) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < HASH_SIZE; i++) {
        out[2 * i] = digits[in[i] >> 4];
        out[2 * i + 1] = digits[in[i] & 15];
    }
    out[HASH_HEX - 1] = 0;
}

static int hash_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int hash_unhex(const char *hex, uint8_t out[HASH_SIZE]) {
    if (strnlen(hex, HASH_HEX) != HASH_HEX - 1) {
        return -1;
    }
    for (size_t i = 0; i < HASH_SIZE; i++) {
        int high = hash_digit(hex[2 * i]);
        int low = hash_digit(hex[2 * i + 1]);
        if (high < 0 || low < 0) {
            return -1;
        }
        out[i] = (uint8_t)(high << 4 | low);
    }
    return 0;
}

// Unsigned arithmetic wraps by definition here; that is what the two functions are made of.
uint64_t hash_mix64(const void *data, size_t len) {
    const uint8_t *p = data;
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < len; i++) {
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    }
    h = (h ^ h >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    h = (h ^ h >> 27) * UINT64_C(0x94d049bb133111eb);
    return h ^ h >> 31;
}

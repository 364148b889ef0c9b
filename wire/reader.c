/* SPDX-License-Identifier: MIT */
/*
 * The msgpack reader. It decides what a well-formed value is; which values a message may hold is up
 * to its decoder.
 */
#include "wire/reader.h"

#include <errno.h>

/* How a length or count is written: in the first byte, or after it in 1, 2 or 4 bytes. */
struct length_form {
        uint8_t fix_mask; /* the first byte under this mask ... */
        uint8_t fix;      /* ... is this if it holds the length itself */
        uint8_t code;     /* first of the codes followed by a length */
        uint8_t n_codes;
        uint8_t width; /* length bytes of the first code; doubles with each */
};

static const struct length_form str_form = {0xe0, 0xa0, 0xd9, 3, 1};
static const struct length_form bin_form = {0x00, 0xff, 0xc4, 3, 1};
static const struct length_form ext_form = {0x00, 0xff, 0xc7, 3, 1};
static const struct length_form array_form = {0xf0, 0x90, 0xdc, 2, 2};
static const struct length_form map_form = {0xf0, 0x80, 0xde, 2, 2};

static size_t left(const struct cmi_reader *reader)
{
        return (size_t)(reader->end - reader->at);
}

void cmi_read_fail(struct cmi_reader *reader, int error)
{
        if (reader->error == 0) {
                reader->error = error;
        }
        reader->at = reader->end;
}

/* @n bytes, or NULL and an error. */
static const uint8_t *take(struct cmi_reader *reader, size_t n)
{
        const uint8_t *at = reader->at;

        if (left(reader) < n) {
                cmi_read_fail(reader, -EBADMSG);
                return NULL;
        }
        reader->at += n;
        return at;
}

/* A big-endian number of @width bytes. */
static uint64_t take_number(struct cmi_reader *reader, size_t width)
{
        const uint8_t *bytes = take(reader, width);
        uint64_t number = 0;

        for (size_t i = 0; bytes != NULL && i < width; i++) {
                number = number << 8 | bytes[i];
        }
        return number;
}

/* Takes what stands before the content. */
static uint32_t take_length(struct cmi_reader *reader, const struct length_form *form)
{
        const uint8_t *first = take(reader, 1);
        uint8_t index;

        if (first == NULL) {
                return 0;
        }
        if ((*first & form->fix_mask) == form->fix) {
                return *first & (uint8_t)~form->fix_mask;
        }
        index = (uint8_t)(*first - form->code);
        if (index >= form->n_codes) {
                cmi_read_fail(reader, -EBADMSG);
                return 0;
        }
        return (uint32_t)take_number(reader, (size_t)form->width << index);
}

static struct cmi_slice take_content(struct cmi_reader *reader, size_t len, size_t max)
{
        const uint8_t *bytes;

        if (len > max) {
                cmi_read_fail(reader, -EMSGSIZE);
                return (struct cmi_slice){NULL, 0};
        }
        bytes = take(reader, len);
        return (struct cmi_slice){bytes, bytes != NULL ? len : 0};
}

static uint32_t take_count(struct cmi_reader *reader, const struct length_form *form, uint32_t max,
                size_t values_each)
{
        uint32_t n = take_length(reader, form);

        if (n > max) {
                cmi_read_fail(reader, -EMSGSIZE);
                return 0;
        }
        if (n > left(reader) / values_each) {
                cmi_read_fail(reader, -EBADMSG);
                return 0;
        }
        return n;
}

static enum cmi_type sign_of_int(const struct cmi_reader *reader)
{
        return left(reader) >= 2 && reader->at[1] >= 0x80 ? CMI_TYPE_INT : CMI_TYPE_UINT;
}

/* The types of the first bytes 0xc0 to 0xdf. */
static const uint8_t coded_types[32] = {CMI_TYPE_NIL, CMI_TYPE_END, CMI_TYPE_BOOL, CMI_TYPE_BOOL,
                CMI_TYPE_BIN, CMI_TYPE_BIN, CMI_TYPE_BIN, CMI_TYPE_EXT, CMI_TYPE_EXT, CMI_TYPE_EXT,
                CMI_TYPE_FLOAT, CMI_TYPE_FLOAT, CMI_TYPE_UINT, CMI_TYPE_UINT, CMI_TYPE_UINT,
                CMI_TYPE_UINT, CMI_TYPE_INT, CMI_TYPE_INT, CMI_TYPE_INT, CMI_TYPE_INT, CMI_TYPE_EXT,
                CMI_TYPE_EXT, CMI_TYPE_EXT, CMI_TYPE_EXT, CMI_TYPE_EXT, CMI_TYPE_STR, CMI_TYPE_STR,
                CMI_TYPE_STR, CMI_TYPE_ARRAY, CMI_TYPE_ARRAY, CMI_TYPE_MAP, CMI_TYPE_MAP};

enum cmi_type cmi_read_type(const struct cmi_reader *reader)
{
        uint8_t first;
        enum cmi_type type;

        if (left(reader) == 0) {
                return CMI_TYPE_END;
        }
        first = *reader->at;
        if (first >= 0xc0 && first <= 0xdf) {
                type = coded_types[first - 0xc0];
                return type == CMI_TYPE_INT ? sign_of_int(reader) : type;
        }
        if (first < 0x80) {
                return CMI_TYPE_UINT;
        }
        if (first < 0x90) {
                return CMI_TYPE_MAP;
        }
        if (first < 0xa0) {
                return CMI_TYPE_ARRAY;
        }
        return first < 0xc0 ? CMI_TYPE_STR : CMI_TYPE_INT;
}

/* The bits of an integer of type UINT or INT; sign-extended. */
static uint64_t take_integer(struct cmi_reader *reader)
{
        uint8_t first = *take(reader, 1);
        size_t width;
        unsigned int spare;
        uint64_t bits;

        if (first < 0x80 || first >= 0xe0) {
                return (uint64_t)(int64_t)(int8_t)first;
        }
        if (first < 0xd0) {
                return take_number(reader, (size_t)1 << (first - 0xcc));
        }
        width = (size_t)1 << (first - 0xd0);
        spare = (unsigned int)(64 - 8 * width);
        bits = take_number(reader, width);
        return (uint64_t)((int64_t)(bits << spare) >> spare);
}

uint64_t cmi_read_uint_any(struct cmi_reader *reader, uint64_t max)
{
        uint64_t value;

        if (cmi_read_type(reader) != CMI_TYPE_UINT) {
                cmi_read_fail(reader, -EBADMSG);
                return 0;
        }
        value = take_integer(reader);
        if (value > max) {
                cmi_read_fail(reader, -EMSGSIZE);
                return 0;
        }
        return value;
}

int64_t cmi_read_int(struct cmi_reader *reader)
{
        enum cmi_type type = cmi_read_type(reader);
        uint64_t bits;

        if (type != CMI_TYPE_UINT && type != CMI_TYPE_INT) {
                cmi_read_fail(reader, -EBADMSG);
                return 0;
        }
        bits = take_integer(reader);
        if (type == CMI_TYPE_UINT && bits > INT64_MAX) {
                cmi_read_fail(reader, -EMSGSIZE);
                return 0;
        }
        return (int64_t)bits;
}

bool cmi_read_bool(struct cmi_reader *reader)
{
        if (cmi_read_type(reader) != CMI_TYPE_BOOL) {
                cmi_read_fail(reader, -EBADMSG);
                return false;
        }
        return *take(reader, 1) == 0xc3;
}

double cmi_read_float(struct cmi_reader *reader)
{
        double number = 0;
        float short_number = 0;
        uint64_t bits;
        uint32_t short_bits;

        if (cmi_read_type(reader) != CMI_TYPE_FLOAT) {
                cmi_read_fail(reader, -EBADMSG);
                return 0;
        }
        if (*take(reader, 1) == 0xcb) {
                bits = take_number(reader, sizeof(bits));
                memcpy(&number, &bits, sizeof(number));
                return number;
        }
        short_bits = (uint32_t)take_number(reader, sizeof(short_bits));
        memcpy(&short_number, &short_bits, sizeof(short_number));
        return (double)short_number;
}

struct cmi_slice cmi_read_bin_any(struct cmi_reader *reader, size_t max)
{
        return take_content(reader, take_length(reader, &bin_form), max);
}

struct cmi_slice cmi_read_str(struct cmi_reader *reader, size_t max)
{
        return take_content(reader, take_length(reader, &str_form), max);
}

void cmi_read_fixed(struct cmi_reader *reader, void *ret, size_t size)
{
        struct cmi_slice bytes = cmi_read_bin(reader, SIZE_MAX);

        if (bytes.data && bytes.len == size) {
                memcpy(ret, bytes.data, size);
        } else {
                cmi_read_fail(reader, -EBADMSG);
                memset(ret, 0, size);
        }
}

uint32_t cmi_read_array(struct cmi_reader *reader, uint32_t max)
{
        return take_count(reader, &array_form, max, 1);
}

uint32_t cmi_read_map(struct cmi_reader *reader, uint32_t max)
{
        return take_count(reader, &map_form, max, 2);
}

/* ext: a type byte before the content, which the length does not count. */
static void skip_ext(struct cmi_reader *reader)
{
        uint8_t first = *reader->at;
        size_t len;

        if (first >= 0xd4) {
                take(reader, 2 + ((size_t)1 << (first - 0xd4)));
                return;
        }
        len = take_length(reader, &ext_form);
        take(reader, len + 1);
}

/*
 * Skips a value without what it contains.
 *
 * Return: the values that follow inside it.
 */
static uint64_t skip_head(struct cmi_reader *reader, enum cmi_type type)
{
        switch (type) {
        case CMI_TYPE_NIL:
        case CMI_TYPE_BOOL:
                take(reader, 1);
                return 0;
        case CMI_TYPE_UINT:
        case CMI_TYPE_INT:
                take_integer(reader);
                return 0;
        case CMI_TYPE_FLOAT:
                cmi_read_float(reader);
                return 0;
        case CMI_TYPE_STR:
                cmi_read_str(reader, SIZE_MAX);
                return 0;
        case CMI_TYPE_BIN:
                cmi_read_bin(reader, SIZE_MAX);
                return 0;
        case CMI_TYPE_EXT:
                skip_ext(reader);
                return 0;
        case CMI_TYPE_ARRAY:
                return cmi_read_array(reader, UINT32_MAX);
        case CMI_TYPE_MAP:
                return 2 * (uint64_t)cmi_read_map(reader, UINT32_MAX);
        case CMI_TYPE_END:
                break;
        }
        cmi_read_fail(reader, -EBADMSG);
        return 0;
}

void cmi_read_skip(struct cmi_reader *reader)
{
        uint64_t unread[CMI_DEPTH_MAX]; /* of each open container */
        size_t depth = 0;

        do {
                enum cmi_type type = cmi_read_type(reader);
                uint64_t n;

                if ((type == CMI_TYPE_ARRAY || type == CMI_TYPE_MAP) && depth == CMI_DEPTH_MAX) {
                        cmi_read_fail(reader, -EMSGSIZE);
                        return;
                }
                n = skip_head(reader, type);
                if (n > 0) {
                        unread[depth++] = n;
                        continue;
                }
                while (depth > 0 && --unread[depth - 1] == 0) {
                        depth--;
                }
        } while (depth > 0 && reader->error == 0);
}

struct cmi_slice cmi_read_value(struct cmi_reader *reader)
{
        const uint8_t *begin = reader->at;

        cmi_read_skip(reader);
        if (reader->error != 0) {
                return (struct cmi_slice){NULL, 0};
        }
        return (struct cmi_slice){begin, (size_t)(reader->at - begin)};
}

int cmi_read_done(const struct cmi_reader *reader)
{
        if (reader->error != 0) {
                return reader->error;
        }
        return reader->at == reader->end ? 0 : -EBADMSG;
}

// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

// The symbol under which ICU 76 looks for its data, with a table of contents that has no entries. The README tells why.

#ifdef MARTLET_NO_ICU_DATA

#include <stdint.h>

struct icu_data {
    // What every piece of ICU's data begins with.
    uint16_t header_bytes;
    uint8_t magic[2];
    uint16_t info_bytes;
    uint16_t reserved_word;
    uint8_t is_big_endian;
    uint8_t charset_family;
    uint8_t character_bytes;
    uint8_t reserved_byte;
    uint8_t format[4];
    uint8_t format_version[4];
    uint8_t data_version[4];
    uint8_t padding[8];
    // The table of contents.
    uint32_t entry_count;
    uint32_t reserved_count;
    const void *entries[2];
};

_Static_assert(__builtin_offsetof(struct icu_data, entry_count) == 32, "the table follows a header of 32 bytes");

const struct icu_data icudt76_dat __attribute__((aligned(16))) = {
    .header_bytes = 32,
    .magic = {0xda, 0x27},
    .info_bytes = 20,
    .is_big_endian = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__,
    .character_bytes = 2,
    .format = {'T', 'o', 'C', 'P'},
    .format_version = {1},
};

#endif

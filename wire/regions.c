/* SPDX-License-Identifier: MIT */
/*
 * REGIONS between two meshd: with which options the apps of a node have their regions open.
 */
#include "wire/frame_fields.h"

enum {
        REGIONS_DIGEST = 1,
        REGIONS_LIST = 2,
};

enum {
        REGION_NEEDED = 3,
        REGION_ELEMENTS = 4, /* since it has hold_ms */
};

void cmi_regions_write(struct cmi_writer *writer, const struct cmi_regions *regions)
{
        cmi_write_map(writer, 2);
        cmi_write_field_uint(writer, REGIONS_DIGEST, regions->digest);
        cmi_write_uint(writer, REGIONS_LIST);
        cmi_write_array(writer, regions->n_regions);
        for (uint32_t i = 0; i < regions->n_regions; i++) {
                cmi_write_array(writer, REGION_ELEMENTS);
                cmi_write_uint(writer, regions->regions[i].name);
                cmi_write_uint(writer, regions->regions[i].fresh);
                cmi_write_uint(writer, regions->regions[i].ttl_ms);
                cmi_write_uint(writer, regions->regions[i].hold_ms);
        }
}

static void read_list(struct cmi_reader *reader, struct cmi_regions *regions)
{
        regions->n_regions = cmi_read_array(reader, CMI_REGIONS_MAX);
        for (uint32_t i = 0; i < regions->n_regions && reader->error == 0; i++) {
                struct cmi_region *region = &regions->regions[i];
                uint32_t n = cmi_record_begin(reader, REGION_NEEDED);

                region->name = cmi_read_uint(reader, UINT64_MAX);
                region->fresh = cmi_read_uint(reader, UINT64_MAX);
                region->ttl_ms = cmi_read_uint(reader, UINT64_MAX);
                region->hold_ms = n < REGION_ELEMENTS ? CMI_HOLD_UNTOLD
                                                      : cmi_read_uint(reader, UINT64_MAX);
                cmi_record_end(reader, n, n < REGION_ELEMENTS ? n : REGION_ELEMENTS);
        }
}

int cmi_regions_decode(struct cmi_slice body, struct cmi_regions *ret_regions)
{
        struct cmi_reader reader = cmi_frame_body(body);
        struct cmi_fields fields = cmi_fields(&reader, REGIONS_LIST);
        uint64_t key;

        ret_regions->digest = 0;
        ret_regions->n_regions = 0;
        while (cmi_fields_next(&fields, &key)) {
                switch (key) {
                case REGIONS_DIGEST:
                        ret_regions->digest = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                case REGIONS_LIST:
                        read_list(&reader, ret_regions);
                        break;
                }
        }
        return cmi_fields_done(&fields);
}

/*
 * Refuses external ArrayBuffers and Buffers to every addon, with the status that Electron answers (22,
 * napi_no_external_buffers_allowed). A library for LD_AUDIT: glibc asks it about every symbol that is bound, dlsym included, by
 * which addons find Node-API. scripts/electron.mjs compiles it and runs the tests under it.
 */

#define _GNU_SOURCE
#include <link.h>
#include <stdint.h>
#include <string.h>

static int refuse(void) { return 22; }

unsigned int la_version(unsigned int version) { return version; }

unsigned int la_objopen(struct link_map *map, Lmid_t lmid, uintptr_t *cookie) {
  (void)map, (void)lmid, (void)cookie;
  return LA_FLG_BINDTO | LA_FLG_BINDFROM;
}

uintptr_t la_symbind64(Elf64_Sym *sym, unsigned int ndx, uintptr_t *refcook, uintptr_t *defcook, unsigned int *flags,
                       const char *symname) {
  (void)ndx, (void)refcook, (void)defcook, (void)flags;
  if (strcmp(symname, "napi_create_external_arraybuffer") == 0 || strcmp(symname, "napi_create_external_buffer") == 0) {
    return (uintptr_t)refuse;
  }
  return sym->st_value;
}

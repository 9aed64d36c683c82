/*
 * Refuses external ArrayBuffers and Buffers to every addon, with the status that Electron answers (22,
 * napi_no_external_buffers_allowed). A library for LD_AUDIT: glibc asks it about every symbol that is bound, dlsym included, by
 * which addons find Node-API. scripts/electron.mjs compiles it and runs the tests under it. Each refusal appends a byte to the file
 * that GIGAMAPPER_REFUSED names, by which one knows that there were some.
 */

#define _GNU_SOURCE
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int refuse(void) {
  const char *path = getenv("GIGAMAPPER_REFUSED");
  int file = path ? open(path, O_WRONLY | O_CREAT | O_APPEND, 0644) : -1;
  if (file >= 0) {
    if (write(file, ".", 1) != 1) abort();
    close(file);
  }
  return 22;
}

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

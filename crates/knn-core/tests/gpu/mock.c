/*
 * A library that is called as cuVS is, computes on the processor, and fails as it is told to.
 *
 * It is compiled with the headers of cuVS, so that a function of another type is an error of the compiler. It counts what is taken and not given
 * back, and looks at every address that it is handed: whether it lies in memory of the kind that the tensor says, as far as the shape reaches.
 */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cuvs/core/c_api.h>
#include <cuvs/neighbors/brute_force.h>
#include <cuvs/version_config.h>

#define MOCK CUVS_EXPORT

#include "driver.h"

enum Kind { DEVICE, HOST, INDEX, RESOURCES, KINDS };

typedef struct Block {
  enum Kind kind;
  /* Where it is, or what it belongs to. */
  int device;
  char* place;
  size_t bytes;
  struct Block* next;
} Block;

/* The rows that an index refers to. */
typedef struct {
  const float* rows;
  int64_t count, dim;
  cuvsDistanceType metric;
} Rows;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Block* blocks;
static size_t device_bytes[MOST_DEVICES];
static int64_t calls, faults, begun, searched[MOST_DEVICES];

/* What a test asks for. */
static int64_t fail_at, fail_allocation, device_memory = INT64_MAX, without_device, perturb, lie, broken = -1;
static uint16_t version[3] = {CUVS_VERSION_MAJOR, CUVS_VERSION_MINOR, CUVS_VERSION_PATCH};

static _Thread_local char text[256];
static _Thread_local int has_pinned;

/* In a process that nobody tells anything. */
__attribute__((constructor)) static void begin(void)
{
  const char* seed = getenv("MOCK_PERTURB");
  if (seed) perturb = atoll(seed);
  const char* count = getenv("MOCK_DEVICES");
  if (count) devices = atoll(count);
}

MOCK void mock_fail_at(int64_t call) { fail_at = call ? calls + call : 0; }
MOCK void mock_fail_allocation(int64_t number) { fail_allocation = number; }
MOCK void mock_device_memory(int64_t bytes) { device_memory = bytes; }
MOCK void mock_without_device(int64_t yes) { without_device = yes; }
MOCK void mock_perturb(int64_t seed) { perturb = seed; }
MOCK void mock_lie(int64_t how) { lie = how; }
MOCK void mock_major(int64_t major) { version[0] = (uint16_t)major; }
/* The device that finds nothing. */
MOCK void mock_broken(int64_t device) { broken = device; }
/* Devices that have searched since this was last asked, a bit for each. */
MOCK int64_t mock_searched(void)
{
  int64_t bits = 0;
  pthread_mutex_lock(&lock);
  for (int device = 0; device < MOST_DEVICES; device++) bits |= (int64_t)(searched[device] > 0) << device;
  memset(searched, 0, sizeof searched);
  pthread_mutex_unlock(&lock);
  return bits;
}
/* Searches that have begun so far. */
MOCK int64_t mock_begun(void)
{
  pthread_mutex_lock(&lock);
  int64_t count = begun;
  pthread_mutex_unlock(&lock);
  return count;
}
/* Calls that may fail, so far. */
MOCK int64_t mock_calls(void) { return calls; }
/* What was asked for that cuVS would not survive. */
MOCK int64_t mock_faults(void) { return faults; }

/* What was taken and not given back. */
MOCK int64_t mock_live(void)
{
  int64_t live = 0;
  pthread_mutex_lock(&lock);
  for (Block* block = blocks; block; block = block->next) live += 1;
  pthread_mutex_unlock(&lock);
  return live;
}

/* Contexts that are held. */
MOCK int64_t mock_contexts(void) { return contexts_held(); }

static size_t free_memory(int device)
{
  size_t most = (size_t)1 << 36;
  return ((size_t)device_memory < most ? (size_t)device_memory : most) - device_bytes[device];
}

static cuvsError_t fail(const char* why)
{
  snprintf(text, sizeof text, "%s\nObtained 3 stack frames\n#1 in a place that nobody looks at", why);
  return CUVS_ERROR;
}

static cuvsError_t fault(const char* why)
{
  pthread_mutex_lock(&lock);
  faults += 1;
  pthread_mutex_unlock(&lock);
  return fail(why);
}

/* Counts a call; whether it is the one to fail. */
static int fails(void)
{
  pthread_mutex_lock(&lock);
  calls += 1;
  int it = calls == fail_at;
  pthread_mutex_unlock(&lock);
  return it;
}

static void* take(enum Kind kind, size_t bytes)
{
  Block* block = malloc(sizeof *block);
  char* place = aligned_alloc(256, (bytes + 255) / 256 * 256 + 256);
  if (!block || !place) abort();
  /* What was not written is no number. */
  memset(place, 0xff, bytes);
  pthread_mutex_lock(&lock);
  int device = device_at_work();
  *block = (Block){kind, device, place, bytes, blocks};
  blocks = block;
  if (kind == DEVICE) device_bytes[device] += bytes;
  pthread_mutex_unlock(&lock);
  return place;
}

static int give(enum Kind kind, void* place, size_t bytes)
{
  int found = 0, device = device_at_work();
  pthread_mutex_lock(&lock);
  for (Block** at = &blocks; *at; at = &(*at)->next) {
    Block* block = *at;
    if (block->place == place && block->kind == kind && block->bytes == bytes && block->device == device) {
      *at = block->next;
      if (kind == DEVICE) device_bytes[device] -= bytes;
      memset(block->place, 0xff, bytes);
      free(block->place);
      free(block);
      found = 1;
      break;
    }
  }
  pthread_mutex_unlock(&lock);
  return found;
}

/* Whether this lies in what was taken of the kind, on the device that is at work. */
static int holds(enum Kind kind, const void* place, size_t bytes)
{
  int found = 0, device = device_at_work();
  pthread_mutex_lock(&lock);
  for (Block* block = blocks; block && !found; block = block->next) {
    found = block->kind == kind && block->device == device && (const char*)place >= block->place &&
            (const char*)place + bytes <= block->place + block->bytes;
  }
  pthread_mutex_unlock(&lock);
  return found;
}

/* Whether a tensor is a matrix in rows of this type, in memory of its kind. */
static int is_matrix(const DLManagedTensor* managed, uint8_t code, uint8_t bits)
{
  const DLTensor* t = &managed->dl_tensor;
  if (t->ndim != 2 || t->strides || t->byte_offset || managed->deleter || t->shape[0] < 1 || t->shape[1] < 1) return 0;
  if (t->dtype.code != code || t->dtype.bits != bits || t->dtype.lanes != 1) return 0;
  size_t bytes = (size_t)t->shape[0] * (size_t)t->shape[1] * (bits / 8);
  if (t->device.device_type == kDLCUDA) return t->device.device_id == device_at_work() && holds(DEVICE, t->data, bytes);
  return t->device.device_type == kDLCUDAHost && holds(HOST, t->data, bytes);
}

static int is_on_device(const DLManagedTensor* managed)
{
  return managed->dl_tensor.device.device_type == kDLCUDA && (uintptr_t)managed->dl_tensor.data % 16 == 0;
}

const char* cuvsGetLastErrorText(void) { return text[0] ? text : NULL; }

cuvsError_t cuvsVersionGet(uint16_t* major, uint16_t* minor, uint16_t* patch)
{
  *major = version[0], *minor = version[1], *patch = version[2];
  return CUVS_SUCCESS;
}

cuvsError_t cuvsResourcesCreate(cuvsResources_t* res)
{
  if (fails()) return fail("no resources");
  *res = (uintptr_t)take(RESOURCES, 1);
  return CUVS_SUCCESS;
}

cuvsError_t cuvsResourcesDestroy(cuvsResources_t res)
{
  return give(RESOURCES, (void*)res, 1) ? CUVS_SUCCESS : fault("no such resources");
}

cuvsError_t cuvsStreamSync(cuvsResources_t res)
{
  if (!holds(RESOURCES, (void*)res, 1)) return fault("no such resources");
  return fails() ? fail("the stream is gone") : CUVS_SUCCESS;
}

cuvsError_t cuvsDeviceIdGet(cuvsResources_t res, int* device_id)
{
  if (!holds(RESOURCES, (void*)res, 1)) return fault("no such resources");
  if (fails()) return fail("no id");
  *device_id = without_device ? -1 : device_at_work();
  return CUVS_SUCCESS;
}

cuvsError_t cuvsRMMAlloc(cuvsResources_t res, void** ptr, size_t bytes)
{
  if (!holds(RESOURCES, (void*)res, 1)) return fault("no such resources");
  if (fails()) return fail("no memory of the device");
  if (without_device) return fail("CUDA error encountered: cudaErrorNoDevice no CUDA-capable device is detected");
  int at = device_at_work();
  pthread_mutex_lock(&lock);
  int full = (fail_allocation && --fail_allocation == 0) || bytes > (size_t)device_memory - device_bytes[at];
  pthread_mutex_unlock(&lock);
  if (full) return fail("std::bad_alloc: out_of_memory");
  /* Large probes are not really taken: what a test uses is small. */
  if (bytes >= (size_t)1 << 26) {
    *ptr = take(DEVICE, 64);
    int device = device_at_work();
    pthread_mutex_lock(&lock);
    for (Block* block = blocks; block; block = block->next) {
      if (block->place == *ptr) block->bytes = bytes;
    }
    device_bytes[device] += bytes - 64;
    pthread_mutex_unlock(&lock);
    return CUVS_SUCCESS;
  }
  *ptr = take(DEVICE, bytes);
  return CUVS_SUCCESS;
}

cuvsError_t cuvsRMMFree(cuvsResources_t res, void* ptr, size_t bytes)
{
  if (!holds(RESOURCES, (void*)res, 1)) return fault("no such resources");
  if (bytes >= (size_t)1 << 26) {
    int device = device_at_work();
    pthread_mutex_lock(&lock);
    for (Block* block = blocks; block; block = block->next) {
      if (block->place == ptr && block->bytes == bytes) block->bytes = 64, device_bytes[device] -= bytes - 64, bytes = 64;
    }
    pthread_mutex_unlock(&lock);
  }
  return give(DEVICE, ptr, bytes) ? CUVS_SUCCESS : fault("not what was taken");
}

cuvsError_t cuvsRMMHostAlloc(void** ptr, size_t bytes)
{
  if (fails()) return fail("no pinned memory");
  has_pinned = 1;
  *ptr = take(HOST, bytes);
  return CUVS_SUCCESS;
}

cuvsError_t cuvsRMMHostFree(void* ptr, size_t bytes)
{
  /* What frees is kept for each thread, and is made when it first takes some. */
  if (!has_pinned) return fault("a thread that has taken none");
  return give(HOST, ptr, bytes) ? CUVS_SUCCESS : fault("not what was taken");
}

cuvsError_t cuvsMatrixCopy(cuvsResources_t res, DLManagedTensor* src, DLManagedTensor* dst)
{
  const DLTensor *from = &src->dl_tensor, *to = &dst->dl_tensor;
  if (!holds(RESOURCES, (void*)res, 1)) return fault("no such resources");
  if (!is_matrix(src, from->dtype.code, from->dtype.bits) || !is_matrix(dst, from->dtype.code, from->dtype.bits))
    return fault("no matrix in memory of its kind");
  if (from->shape[0] != to->shape[0] || from->shape[1] != to->shape[1]) return fault("another shape");
  if (fails()) return fail("the copy failed");
  memcpy(to->data, from->data, (size_t)from->shape[0] * (size_t)from->shape[1] * (from->dtype.bits / 8));
  return CUVS_SUCCESS;
}

cuvsError_t cuvsBruteForceIndexCreate(cuvsBruteForceIndex_t* index)
{
  if (fails()) return fail("no index");
  *index = take(INDEX, sizeof **index);
  memset(*index, 0, sizeof **index);
  return CUVS_SUCCESS;
}

cuvsError_t cuvsBruteForceIndexDestroy(cuvsBruteForceIndex_t index)
{
  if (!holds(INDEX, index, sizeof *index)) return fault("no such index");
  Rows* rows = (Rows*)index->addr;
  if (rows && !holds(DEVICE, rows->rows, (size_t)(rows->count * rows->dim) * 4)) fault("the rows are gone");
  free(rows);
  give(INDEX, index, sizeof *index);
  return CUVS_SUCCESS;
}

cuvsError_t cuvsBruteForceBuild(cuvsResources_t res, DLManagedTensor* dataset, cuvsDistanceType metric, float metric_arg,
                                cuvsBruteForceIndex_t index)
{
  (void)metric_arg;
  if (!holds(RESOURCES, (void*)res, 1) || !holds(INDEX, index, sizeof *index)) return fault("no such index");
  if (!is_matrix(dataset, kDLFloat, 32) || !is_on_device(dataset)) return fault("rows must be f32 on the device");
  if (metric != L2Expanded && metric != InnerProduct) return fault("another metric");
  if (fails()) return fail("the build failed");
  Rows* rows = malloc(sizeof *rows);
  if (!rows) abort();
  const DLTensor* t = &dataset->dl_tensor;
  *rows = (Rows){t->data, t->shape[0], t->shape[1], metric};
  free((void*)index->addr);
  index->addr = (uintptr_t)rows;
  index->dtype = t->dtype;
  return CUVS_SUCCESS;
}

#ifndef MOCK_WITHOUT_SEARCH

static uint64_t mixed(uint64_t x)
{
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

static float product(const float* a, const float* b, int64_t dim)
{
  float sum = 0;
  for (int64_t i = 0; i < dim; i++) sum += a[i] * b[i];
  return sum;
}

typedef struct {
  float value;
  uint64_t tie;
  int64_t row;
} Found;

static int is_nearer(const Found* a, const Found* b)
{
  return a->value != b->value ? a->value < b->value : a->tie < b->tie;
}

/* Puts a row at the top of a heap whose top is the farthest, where it belongs. */
static void settle(Found* heap, int64_t count, Found found)
{
  int64_t at = 0;
  for (;;) {
    int64_t child = 2 * at + 1;
    if (child >= count) break;
    if (child + 1 < count && is_nearer(&heap[child], &heap[child + 1])) child += 1;
    if (!is_nearer(&found, &heap[child])) break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = found;
}

/* The value of a row, smaller is nearer: as cuVS computes it, or as wrong as the bound of src/gpu/bound.rs allows. */
static float value_of(const Rows* rows, const float* q, float norm, const float* x, float x_norm, uint64_t key)
{
  float p = product(q, x, rows->dim);
  float value = rows->metric == InnerProduct ? -p : norm + x_norm - 2 * p;
  if (lie == 4) value += 0.01f * (norm + x_norm);
  if (perturb) {
    double a = sqrt(norm), b = sqrt(x_norm), d = (double)rows->dim;
    double size = rows->metric == InnerProduct ? a * b : (a + b) * (a + b);
    double part = (double)(mixed(key ^ (uint64_t)perturb) >> 11) / (double)(1ull << 52) - 1.0;
    /* Sums in f32 have their own part of the bound. */
    value += (float)(0.8 * part * (1.5 * d + 16) / (1 << 22) * size);
  }
  if (rows->metric != InnerProduct) {
    /* Cells are made to find themselves at no distance. */
    if (value < 0 || (value * value < 1e-6f && norm == x_norm)) value = 0;
  }
  return value;
}

cuvsError_t cuvsBruteForceSearch(cuvsResources_t res, cuvsBruteForceIndex_t index, DLManagedTensor* queries,
                                 DLManagedTensor* neighbors, DLManagedTensor* distances, cuvsFilter prefilter)
{
  if (!holds(RESOURCES, (void*)res, 1) || !holds(INDEX, index, sizeof *index) || !index->addr) return fault("no such index");
  if (prefilter.type != NO_FILTER) return fault("a filter");
  if (!is_matrix(queries, kDLFloat, 32) || !is_matrix(neighbors, kDLInt, 64) || !is_matrix(distances, kDLFloat, 32))
    return fault("no matrix in memory of its kind");
  if (!is_on_device(queries) || !is_on_device(neighbors) || !is_on_device(distances)) return fault("not on the device");
  const Rows* rows = (const Rows*)index->addr;
  int64_t count = queries->dl_tensor.shape[0], dim = queries->dl_tensor.shape[1], k = neighbors->dl_tensor.shape[1];
  if (dim != rows->dim || k > rows->count || neighbors->dl_tensor.shape[0] != count ||
      distances->dl_tensor.shape[0] != count || distances->dl_tensor.shape[1] != k)
    return fault("another shape");
  if (!holds(DEVICE, rows->rows, (size_t)(rows->count * dim) * 4)) return fault("the rows are gone");
  if (fails()) return fail("the search failed");
  if (broken == device_at_work()) return fail("the device is broken");
  int device = device_at_work();
  pthread_mutex_lock(&lock);
  searched[device] += 1;
  begun += 1;
  pthread_mutex_unlock(&lock);
  float* norms = malloc((size_t)rows->count * sizeof *norms);
  Found* heap = malloc((size_t)k * sizeof *heap);
  if (!norms || !heap) abort();
  for (int64_t row = 0; row < rows->count; row++) {
    const float* x = rows->rows + row * dim;
    norms[row] = product(x, x, dim);
  }
  for (int64_t query = 0; query < count; query++) {
    const float* q = (const float*)queries->dl_tensor.data + query * dim;
    float norm = product(q, q, dim);
    uint64_t key = 0;
    for (int64_t i = 0; i < dim; i++) {
      uint32_t bits;
      memcpy(&bits, q + i, 4);
      key = mixed(key ^ bits);
    }
    int64_t held = 0;
    for (int64_t row = 0; row < rows->count; row++) {
      uint64_t tie = mixed(key + (uint64_t)row);
      Found found = {value_of(rows, q, norm, rows->rows + row * dim, norms[row], tie), tie, row};
      if (held < k) {
        /* Rises to where it belongs. */
        int64_t at = held++;
        while (at > 0 && is_nearer(&heap[(at - 1) / 2], &found)) heap[at] = heap[(at - 1) / 2], at = (at - 1) / 2;
        heap[at] = found;
      } else if (is_nearer(&found, &heap[0])) {
        settle(heap, k, found);
      }
    }
    int64_t* ids = (int64_t*)neighbors->dl_tensor.data + query * k;
    float* values = (float*)distances->dl_tensor.data + query * k;
    for (int64_t slot = k - 1; slot >= 0; slot--) {
      ids[slot] = heap[0].row;
      values[slot] = rows->metric == InnerProduct ? -heap[0].value : heap[0].value;
      settle(heap, slot, heap[slot]);
    }
    if (lie == 1) ids[k / 2] = rows->count;
    if (lie == 2 && k > 1) ids[k / 2] = ids[k / 2 - 1];
    if (lie == 3) values[k / 2] = NAN;
    if (lie == 5) ids[0] = -1;
  }
  free(norms);
  free(heap);
  return CUVS_SUCCESS;
}

#endif

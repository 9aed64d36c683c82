/*
 * CUDA's driver, as far as it is asked: devices, their primary contexts, and which of these is current for a thread.
 *
 * What cuVS is asked for works on the device whose context is current, and on the first where none is. What is not fit for that is counted as a
 * fault: a context that nobody holds, or one that is given back too often.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef int CUresult;
typedef int CUdevice;
typedef struct CUctx_st* CUcontext;

#define MOST_DEVICES 8

static cuvsError_t fault(const char* why);
static int fails(void);
static size_t free_memory(int device);

/* How often each context is held, and what a test asks for. */
static struct CUctx_st {
  int64_t held;
} contexts[MOST_DEVICES];
static int64_t devices = 1, without_driver, deaf;

static _Thread_local CUcontext current;

MOCK void mock_devices(int64_t count) { devices = count; }
MOCK void mock_without_driver(int64_t yes) { without_driver = yes; }
/* Whether cuVS works on the first device whatever is current. */
MOCK void mock_deaf(int64_t yes) { deaf = yes; }

/* The device that a thread's calls work on. */
static int device_at_work(void)
{
  if (!current || deaf) return 0;
  if (current->held < 1) fault("a context that nobody holds");
  return (int)(current - contexts);
}

/* Contexts that are held. */
static int64_t contexts_held(void)
{
  int64_t held = 0;
  for (int device = 0; device < MOST_DEVICES; device++) held += contexts[device].held;
  return held;
}

MOCK CUresult cuInit(unsigned int flags) { return flags ? 1 : without_driver ? 100 : 0; }

MOCK CUresult cuDeviceGetCount(int* count)
{
  if (fails()) return 999;
  *count = (int)devices;
  return 0;
}

/* Its number is not where it stands: what is told of one must not be taken for the other. */
MOCK CUresult cuDeviceGet(CUdevice* device, int ordinal)
{
  if (fails()) return 999;
  if (ordinal < 0 || ordinal >= devices) return 101;
  *device = ordinal + 40;
  return 0;
}

MOCK CUresult cuDeviceGetName(char* name, int length, CUdevice device)
{
  if (fails()) return 999;
  snprintf(name, (size_t)length, "Mock %c", 'A' + device - 40);
  return 0;
}

MOCK CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device)
{
  if (fails()) return 999;
  *context = &contexts[device - 40];
  __atomic_add_fetch(&contexts[device - 40].held, 1, __ATOMIC_SEQ_CST);
  return 0;
}

MOCK CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device)
{
  if (__atomic_sub_fetch(&contexts[device - 40].held, 1, __ATOMIC_SEQ_CST) < 0) fault("a context given back too often");
  return 0;
}

MOCK CUresult cuCtxSetCurrent(CUcontext context)
{
  if (fails()) return 999;
  current = context;
  return 0;
}

MOCK CUresult cuMemGetInfo_v2(size_t* free, size_t* total)
{
  if (fails()) return 999;
  if (!current) return 201;
  *free = free_memory(device_at_work());
  *total = (size_t)1 << 40;
  return 0;
}

MOCK CUresult cuGetErrorString(CUresult error, const char** text)
{
  *text = error == 100 ? "no CUDA-capable device is detected" : error == 999 ? "unknown error" : NULL;
  return *text ? 0 : 1;
}

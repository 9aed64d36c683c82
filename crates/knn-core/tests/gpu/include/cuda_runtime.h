/* Of CUDA the headers of cuVS name two types. A stand-in, so that the mock is compiled without CUDA. */
#pragma once

typedef void* cudaStream_t;
typedef int cudaDataType_t;

// Prototypes of the loop over pairs of the Gaussian product at D = 3 in f32, as a thread of the device crate has it, for
// docs/performance.md: what a device allows, by targets of a thread, sources of a turn, registers and tiles.
//
//     nvcc -O3 -std=c++17 -arch=sm_90 -o /tmp/loops benches/gpu/loops.cu && /tmp/loops
//
// Prints billions of pairs a second for 10^6 targets and 10^5 sources (blocks of targets alone), and for 10^5 and 10^5
// (sources in parts, too): medians of five, of the kernel alone. Sums of parts are not joined.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cuda_runtime.h>
#include <vector>

#define CHECK(call)                                                                                                    \
  do {                                                                                                                 \
    cudaError_t error = (call);                                                                                        \
    if (error != cudaSuccess) {                                                                                        \
      std::printf("%s: %s\n", #call, cudaGetErrorString(error));                                                       \
      std::exit(1);                                                                                                    \
    }                                                                                                                  \
  } while (0)

constexpr int THREADS = 128;
constexpr int MOST_TARGETS = 1000000, MOST_PARTS = 64;

// How the exponent of a pair is computed. NORMS loses digits where points are far from 0 and near each other.
enum Way { DIFFERENCES, AHEAD, NORMS };

__device__ __forceinline__ float exp2_of(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

// TARGETS of a thread, SOURCES of a turn, a tile of TILE sources, and registers for BLOCKS blocks on a multiprocessor.
// AHEAD loads a source before the pairs of the one before it.
template <int TARGETS, int SOURCES, int BLOCKS, int TILE, Way WAY>
__global__ void __launch_bounds__(THREADS, BLOCKS)
    pairs(const float4 *__restrict__ sources, const float *__restrict__ targets, float *sums, int n, int m) {
  __shared__ float4 tile[TILE + 1];
  float x[TARGETS][3], norm[TARGETS], sum[TARGETS];
  auto row = [&](int q) { return blockIdx.x * TARGETS * THREADS + q * THREADS + threadIdx.x; };
#pragma unroll
  for (int q = 0; q < TARGETS; q++) {
    const float *from = targets + 3 * min(row(q), n - 1);
    norm[q] = sum[q] = 0;
    for (int c = 0; c < 3; c++) {
      x[q][c] = from[c];
      norm[q] -= from[c] * from[c];
      if (WAY == NORMS) x[q][c] *= 2;
    }
  }
  auto one = [&](float4 y) {
#pragma unroll
    for (int q = 0; q < TARGETS; q++) {
      float exponent;
      if (WAY == NORMS) {
        // the last number of the source stands for its norm, too
        exponent = fmaf(x[q][2], y.z, fmaf(x[q][1], y.y, fmaf(x[q][0], y.x, norm[q] + y.w)));
      } else {
        float a = x[q][0] - y.x, b = x[q][1] - y.y, c = x[q][2] - y.z;
        exponent = -fmaf(c, c, fmaf(b, b, a * a));
      }
      sum[q] = fmaf(exp2_of(exponent), y.w, sum[q]);
    }
  };
  const int first = (long long)m * blockIdx.y / gridDim.y, end = (long long)m * (blockIdx.y + 1) / gridDim.y;
  for (int from = first; from < end; from += TILE) {
    const int count = min(TILE, end - from);
    __syncthreads();
    for (int j = threadIdx.x; j < count; j += THREADS) tile[j] = sources[from + j];
    __syncthreads();
    float4 next = tile[0];
    int j = 0;
#pragma unroll 1
    for (; j + SOURCES <= count; j += SOURCES) {
#pragma unroll
      for (int s = 0; s < SOURCES; s++) {
        float4 y = WAY == AHEAD ? next : tile[j + s];
        if (WAY == AHEAD) next = tile[j + s + 1];
        one(y);
      }
    }
    for (; j < count; j++) one(tile[j]);
  }
#pragma unroll
  for (int q = 0; q < TARGETS; q++) {
    if (row(q) < n) sums[(size_t)blockIdx.y * n + row(q)] = sum[q];
  }
}

float *targets, *sums;
float4 *sources;
int multiprocessors;

template <int TARGETS, int SOURCES, int BLOCKS, int TILE, Way WAY = DIFFERENCES> void measure() {
  auto kernel = pairs<TARGETS, SOURCES, BLOCKS, TILE, WAY>;
  cudaFuncAttributes attributes;
  int places;
  CHECK(cudaFuncGetAttributes(&attributes, kernel));
  CHECK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&places, kernel, THREADS, 0));
  std::printf("%d targets, %d sources, tile %3d, %s: %3d registers, %2d blocks: ", TARGETS, SOURCES, TILE,
              WAY == NORMS ? "norms" : WAY == AHEAD ? "ahead" : "differences", attributes.numRegs, places);
  for (int n : {1000000, 100000}) {
    const int m = 100000, blocks = (n + TARGETS * THREADS - 1) / (TARGETS * THREADS);
    int parts = 1;
    while (blocks * parts < multiprocessors * places && parts < MOST_PARTS && n * 2 * parts <= MOST_TARGETS * MOST_PARTS)
      parts *= 2;
    cudaEvent_t start, stop;
    CHECK(cudaEventCreate(&start));
    CHECK(cudaEventCreate(&stop));
    std::vector<float> times;
    for (int i = 0; i < 5; i++) {
      CHECK(cudaEventRecord(start));
      kernel<<<dim3(blocks, parts), THREADS>>>(sources, targets, sums, n, m);
      CHECK(cudaGetLastError());
      CHECK(cudaEventRecord(stop));
      CHECK(cudaEventSynchronize(stop));
      float milliseconds;
      CHECK(cudaEventElapsedTime(&milliseconds, start, stop));
      times.push_back(milliseconds);
    }
    std::sort(times.begin(), times.end());
    std::printf(" %5.0f", (double)n * m / times[2] / 1e6);
  }
  std::printf("\n");
}

int main() {
  const int sources_count = 100000;
  std::vector<float> x(3 * MOST_TARGETS);
  std::vector<float4> y(sources_count);
  auto number = [] { return std::rand() / (float)RAND_MAX; };
  for (float &c : x) c = number();
  for (float4 &row : y) row = make_float4(number(), number(), number(), number());
  CHECK(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, 0));
  CHECK(cudaMalloc(&targets, x.size() * sizeof(float)));
  CHECK(cudaMalloc(&sources, y.size() * sizeof(float4)));
  CHECK(cudaMalloc(&sums, (size_t)MOST_TARGETS * MOST_PARTS * sizeof(float)));
  CHECK(cudaMemcpy(targets, x.data(), x.size() * sizeof(float), cudaMemcpyHostToDevice));
  CHECK(cudaMemcpy(sources, y.data(), y.size() * sizeof(float4), cudaMemcpyHostToDevice));
  measure<2, 8, 8, 512>();
  measure<3, 8, 8, 512>();
  measure<4, 4, 10, 128>();
  measure<4, 4, 8, 128>();
  measure<4, 4, 4, 128>();
  measure<4, 4, 8, 512>();
  measure<4, 8, 8, 512>();
  measure<5, 4, 7, 512>();
  measure<6, 4, 5, 512>();
  measure<8, 4, 5, 512>();
  measure<8, 8, 5, 512>();
  measure<4, 4, 4, 128, AHEAD>();
  measure<4, 4, 10, 128, AHEAD>();
  measure<8, 4, 6, 128, AHEAD>();
  measure<4, 4, 9, 128, NORMS>();
  measure<4, 8, 8, 512, NORMS>();
  measure<8, 4, 5, 512, NORMS>();
}

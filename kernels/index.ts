// The inner loops of tapelake, compiled to WebAssembly (docs/decisions/0015-kernels.md). Everything here works on memory
// that the caller fills and reads; nothing is allocated, nothing is kept between calls.
export { digestDoubles, digestWhole, digestWords, digestStart, digestSum } from './digest'
export { factsFound, numberFacts } from './number-facts'
export { readRows, rowFields, rowsPosition } from './number-rows'
export { columnResult, encodeColumn } from './parquet/column'
export { encodeHybrid } from './parquet/hybrid'
export { hashAll, hashConstant, hashDoubles, hashNanoseconds, hashStart, hashWhole } from './row-hash'
export { compressPage } from './zstd/frame'

/** First byte that is the caller's; everything below is the kernels' own. */
export function scratchBase(): usize {
  return __heap_base
}

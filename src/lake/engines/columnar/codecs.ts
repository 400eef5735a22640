import type { Compression } from '../../engine.ts'
import { compressZstd, type Grid } from './zstd.ts'

/** How pages are compressed. */
export interface PageCodec {
  /** Parquet's number of it. */
  readonly id: number
  /**
   * `page` compressed, valid until the next call.
   *
   * @param grid where the values of the page begin, if they are of one width
   */
  compress(page: Uint8Array, grid: Grid | undefined): Uint8Array
}

/** Those known here. All work at once: what is handed to another thread must be memory of its own, page by page. */
export const PAGE_CODECS: Readonly<Partial<Record<Compression, PageCodec>>> = {
  uncompressed: { id: 0, compress: (page) => page },
  zstd: { id: 6, compress: compressZstd },
}

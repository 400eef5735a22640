export { compressZstd } from './frame.ts'
export type { Grid } from './matches.ts'

export { LakeReader, openReader, type ReaderOptions } from './lake-reader.ts'
export type { QueryResult, ResultColumn } from './result.ts'
export type { LakeView } from './views.ts'
export { RESULT_FORMATS, writeResult, type ResultFormat, type WriteOptions } from './write-result.ts'

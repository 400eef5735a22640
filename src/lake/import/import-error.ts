import { PipelineError } from '../../core/errors.ts'

/** A file that cannot be imported; the message names it, and the line where there is one. Nothing was changed. */
export class ImportRefusedError extends PipelineError {
  override readonly code: string = 'IMPORT_REFUSED'
  override readonly category = 'malformed'
}

const NOTHING_CHANGED = 'Nothing was imported. Fetch or make the file again, then run the same command.'

/** `place` is a file, or a file and a line: `day.csv:17`. */
export function refuseFile(place: string, why: string, cause?: unknown): ImportRefusedError {
  return new ImportRefusedError(`${place}: ${why}`, {
    hint: NOTHING_CHANGED,
    ...(cause !== undefined && { cause }),
  })
}

import { fileURLToPath } from 'node:url'

/** The program's own file, for a process to start it again. Two folders up both from src/ and from the built program. */
export const PROGRAM_FILE = fileURLToPath(new URL('../../bin/tapelake.js', import.meta.url))

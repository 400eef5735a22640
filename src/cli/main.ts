import { startProgram } from './start.ts'

await startProgram(process)

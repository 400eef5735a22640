import type { Register } from '../cli.ts'
import { register as calendar } from './calendar.ts'
import { register as config } from './config.ts'
import { register as help } from './help.ts'

/** Every command, in the order in which --help lists them. */
export const COMMANDS: readonly Register[] = [calendar, config, help]

import { messageOf } from '../core/errors.ts'
import type { RunContext } from './context.ts'

/**
 * Reads the configuration again and takes over the limits of calls and the levels of the log, in this process and, by
 * way of {@link Reloads}, in its workers. A configuration that is not valid changes nothing. One line tells what became
 * of it. Never throws.
 */
export async function reload(
  context: Pick<RunContext, 'config' | 'logger' | 'out' | 'readConfig' | 'reloads' | 'redactor'>,
): Promise<void> {
  const { config, logger, reloads, readConfig } = context
  const { adoptSettings } = await import('../core/config/reload.ts')
  try {
    const { changed, later } = adoptSettings(config.settings, (await readConfig()).settings)
    reloads.tell()
    const what = changed.map(({ path, from, to }) => `${path} from ${shown(from)} to ${shown(to)}`)
    const rest = later.length === 0 ? '' : `; needs a new start: ${later.join(', ')}`
    tell(context, `configuration read again: ${what.join(', ') || 'nothing changed'}${rest}`, {
      changed,
      later,
    })
  } catch (error) {
    logger.error(
      { err: error },
      `configuration refused, the old one stays: ${messageOf(error).replaceAll('\n', '; ')}`,
    )
  }
}

/** A line that is seen: in the log, and on stderr where the log does not show it. */
function tell(
  { config, logger, out }: Pick<RunContext, 'config' | 'logger' | 'out'>,
  text: string,
  fields: object,
): void {
  logger.info(fields, text)
  if (!['debug', 'info'].includes(config.settings.logging.level)) out.note(text)
}

const shown = (value: unknown): string =>
  value === undefined ? 'none' : typeof value === 'string' ? value : JSON.stringify(value)

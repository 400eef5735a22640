import { settingAt, settingOptions, type LoadedConfig, type Settings } from './index.ts'
import { mergeTrees, type SettingsTree } from './layer.ts'

/** A setting that has another value now. */
export interface SettingChange {
  /** Dotted path. */
  readonly path: string
  readonly from: unknown
  readonly to: unknown
}

/** What became of settings that were read again. */
export interface Adopted {
  /** Settings in force from now on. */
  readonly changed: readonly SettingChange[]
  /** Settings that differ now and need a new start. */
  readonly later: readonly string[]
}

/** What a run under way takes over: the limits of calls, and what is logged. */
export interface LiveSettings {
  readonly sources: {
    readonly polygon: Pick<Settings['sources']['polygon'], 'plan' | 'callsPerMinute' | 'callsPerDay'>
  }
  readonly logging: Pick<Settings['logging'], 'level' | 'fileLevel' | 'components'>
}

const LIVE = [
  'sources.polygon.plan', // decides what callsPerMinute: auto means
  'sources.polygon.callsPerMinute',
  'sources.polygon.callsPerDay',
  'logging.level',
  'logging.fileLevel',
  'logging.components',
]

/** Of `settings` what a run under way takes over; plain JSON. */
export const liveSettingsOf = ({ sources: { polygon }, logging }: Settings): LiveSettings => ({
  sources: {
    polygon: { plan: polygon.plan, callsPerMinute: polygon.callsPerMinute, callsPerDay: polygon.callsPerDay },
  },
  logging: {
    ...{ level: logging.level, fileLevel: logging.fileLevel },
    ...(logging.components === undefined ? {} : { components: logging.components }),
  },
})

/** Everything that a run goes by now, for its workers, in the environment variable {@link SETTINGS_NAME}. */
export const settingsForWorkers = (
  { settings, tree }: Pick<LoadedConfig, 'settings' | 'tree'>,
  over: SettingsTree,
): string =>
  JSON.stringify([tree, liveSettingsOf(settings) as unknown as SettingsTree, over].reduce(mergeTrees))

/**
 * Takes what {@link LiveSettings} has over from `next` into `settings`, in place: whoever holds them (limiters, loggers)
 * reads the new values from then on.
 */
export function adoptLive(settings: Settings, next: LiveSettings): readonly SettingChange[] {
  const changed = changesIn(settings, next as Settings, LIVE)
  const { plan, callsPerMinute, callsPerDay } = next.sources.polygon
  const { level, fileLevel, components } = next.logging
  Object.assign(settings.sources.polygon, { plan, callsPerMinute, callsPerDay })
  Object.assign(settings.logging, { level, fileLevel, components })
  return changed
}

/** The same for settings that were read again whole; names what differs as well and is not taken over. */
export function adoptSettings(settings: Settings, next: Settings): Adopted {
  const changed = adoptLive(settings, liveSettingsOf(next))
  const others = settingOptions()
    .map(({ path }) => path)
    .filter((path) => !LIVE.includes(path))
  return { changed, later: changesIn(settings, next, others).map(({ path }) => path) }
}

function changesIn(settings: Settings, next: Settings, paths: readonly string[]): SettingChange[] {
  return paths
    .map((path) => ({ path, from: settingAt(settings, path), to: settingAt(next, path) }))
    .filter(({ from, to }) => JSON.stringify(from) !== JSON.stringify(to))
}

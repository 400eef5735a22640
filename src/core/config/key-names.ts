/** Environment variables that may hold the API key; the first one that is set counts. */
export const KEY_NAMES = [
  'TAPELAKE__SOURCES__POLYGON__API_KEY',
  'POLYGON_API_KEY',
  'MASSIVE_API_KEY',
] as const

/** Environment variable that may hold the address of the Redis server that shares the call budget; with a password. */
export const REDIS_URL_NAME = 'TAPELAKE__SOURCES__POLYGON__BUDGET__REDIS_URL'

/** How a run hands its settings on to its workers, as JSON. Nobody sets it by hand. */
export const SETTINGS_NAME = 'TAPELAKE_SETTINGS'

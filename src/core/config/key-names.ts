/** Environment variables that may hold the API key; the first one that is set counts. */
export const KEY_NAMES = [
  'TAPELAKE__SOURCES__POLYGON__API_KEY',
  'POLYGON_API_KEY',
  'MASSIVE_API_KEY',
] as const

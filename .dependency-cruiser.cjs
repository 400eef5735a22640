/**
 * The floors of the house (docs/architecture.md), lowest first. A file may import from its own folder and
 * from the folders listed here, nothing else of src/.
 */
const MAY_IMPORT = {
  core: [],
  market: ['core'],
  lake: ['core', 'market'],
  monitor: ['core'],
  sources: ['core', 'market'],
  stages: ['core', 'market'],
  simulator: ['core', 'market', 'lake'],
  pipeline: ['core', 'market', 'lake', 'monitor', 'sources', 'stages', 'simulator'],
  cli: ['core', 'market', 'lake', 'monitor', 'sources', 'stages', 'simulator', 'pipeline'],
}

/** Outside packages that enter at one place only. */
const ENTERS_AT = {
  '@duckdb/node-api': '^src/lake/',
  'apache-arrow': '^src/lake/',
  'parquetjs-lite': '^src/lake/',
  libsql: '^src/(lake/lock|core/budget/(budget-file|file-store|file-tables))\\.ts$',
  '@polygon.io/client-js': '^src/sources/polygon/',
  axios: '^src/sources/polygon/',
  bottleneck: '^src/core/rate-limit\\.ts$',
  ioredis: '^src/core/budget/redis-store\\.ts$',
  commander: '^src/cli/',
  'cli-progress': '^src/cli/',
  'cli-table3': '^src/cli/',
  '@bomb.sh/tab': '^src/cli/',
  ws: '^src/(simulator|sources/polygon/socket)/',
  pino: '^src/core/logger\\.ts$',
  'pino-pretty': '^src/core/logger\\.ts$',
  cockatiel: '^src/sources/polygon/breakers\\.ts$',
  'prom-client': '^src/monitor/metrics\\.ts$',
  yaml: '^src/core/config/',
}

const floors = Object.entries(MAY_IMPORT).map(([folder, allowed]) => ({
  name: `floor-${folder}`,
  comment: `src/${folder} may import only: ${[folder, ...allowed].join(', ')}`,
  severity: 'error',
  from: { path: `^src/${folder}/` },
  to: { path: '^src/', pathNot: `^src/(${[folder, ...allowed].join('|')})/` },
}))

const doors = Object.entries(ENTERS_AT).map(([name, at]) => ({
  name: `door-${name}`,
  comment: `${name} enters the project at ${at} only`,
  severity: 'error',
  from: { path: '^src/', pathNot: at },
  to: { path: `node_modules/${name}(/|$)` },
}))

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    ...floors,
    ...doors,
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'types', 'node', 'default'],
    },
  },
}

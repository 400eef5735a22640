/** Endpoint families, each with the beginning of its paths; the first that fits counts. */
const FAMILIES: readonly (readonly [family: string, path: RegExp])[] = [
  ['grouped_daily', /^\/v2\/aggs\/grouped\//],
  ['aggregates', /^\/v2\/aggs\//],
  ['open_close', /^\/v1\/open-close\//],
  ['trades', /^\/v3\/trades\//],
  ['quotes', /^\/v3\/quotes\//],
  ['option_chain', /^\/v3\/snapshot\/options\//],
  ['snapshots', /^\/v[23]\/snapshot/],
  ['option_contracts', /^\/v3\/reference\/options\//],
  ['corporate_actions', /^\/v3\/reference\/(splits|dividends)/],
  ['tickers', /^\/v3\/reference\/tickers/],
  ['market_status', /^\/v1\/marketstatus\//],
]

/** The family of endpoints that `path` belongs to: what fails together, and is counted together. */
export function endpointFamily(path: string): string {
  return FAMILIES.find(([, beginning]) => beginning.test(path))?.[0] ?? 'other'
}

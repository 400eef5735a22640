import type { DatasetDefinition } from '../../market/dataset.ts'
import type { RequestLimits } from '../history.ts'
import { PAGE_ROWS, REFERENCE_PAGE_ROWS } from './requests.ts'

/** Seconds of the bars that the vendor counts against its page limit, per dataset. */
const BASE_SECONDS: Readonly<Record<string, number>> = {
  equity_bars_1s: 1,
  equity_bars_1m: 60,
  equity_bars_1h: 60,
  equity_bars_1d: 86_400,
  option_bars_1m: 60,
  option_bars_1d: 86_400,
}
const REFERENCE_DATASETS: ReadonlySet<string> = new Set(['splits', 'dividends'])

/** How much of `dataset` one request to the vendor may cover. */
export function polygonLimits(dataset: DatasetDefinition): RequestLimits {
  const anyRange = REFERENCE_DATASETS.has(dataset.name)
  return {
    pageRows: anyRange ? REFERENCE_PAGE_ROWS : PAGE_ROWS,
    baseSeconds: BASE_SECONDS[dataset.name],
    anyRange,
  }
}

import { type Answer, type Call, jsonAnswer } from '../call.ts'
import { type ListOptions, listPage } from '../list-query.ts'

/** Venues that the simulated tape names, by the vendor's numbers. */
const EXCHANGES = [
  exchange(4, 'TRF', 'FINRA NYSE TRF', 'FINY', 'D'),
  exchange(8, 'exchange', 'Cboe EDGA', 'EDGA', 'J'),
  exchange(10, 'exchange', 'New York Stock Exchange', 'XNYS', 'N'),
  exchange(11, 'exchange', 'NYSE Arca, Inc.', 'ARCX', 'P'),
  exchange(12, 'exchange', 'Nasdaq', 'XNAS', 'T'),
  exchange(15, 'exchange', 'Investors Exchange', 'IEXG', 'V'),
  exchange(19, 'exchange', 'Cboe BZX', 'BATS', 'Z'),
  exchange(21, 'exchange', 'Members Exchange', 'MEMX', 'U'),
]

function exchange(id: number, type: string, name: string, mic: string, participant: string) {
  return {
    id,
    type,
    asset_class: 'stocks',
    locale: 'us',
    name,
    mic,
    operating_mic: mic,
    participant_id: participant,
    url: `https://example.com/${mic.toLowerCase()}`,
  }
}

/** Conditions that the simulated tape uses. */
const CONDITIONS = [
  condition(2, 'Average Price Trade', { CTA: 'B', UTP: 'W' }, false, false),
  condition(12, 'Form T/Extended Hours', { CTA: 'T', UTP: 'T' }, false, false),
  condition(14, 'Intermarket Sweep', { CTA: 'F', UTP: 'F' }, true, true),
  condition(37, 'Odd Lot Trade', { CTA: 'I', UTP: 'I' }, false, false),
]

function condition(id: number, name: string, sip: object, highLow: boolean, openClose: boolean) {
  const rules = { updates_high_low: highLow, updates_open_close: openClose, updates_volume: true }
  return {
    id,
    type: 'sale_condition',
    name,
    asset_class: 'stocks',
    sip_mapping: sip,
    update_rules: { consolidated: rules, market_center: rules },
    data_types: ['trade'],
  }
}

const CONDITION_LIST: ListOptions = {
  filters: { asset_class: 'string', id: 'number' },
  sorts: ['id', 'name', 'type', 'asset_class'],
  order: 'asc',
  tieBreak: 'id',
  defaultLimit: 10,
  maxLimit: 1000,
  counted: true,
}

/** GET /v3/reference/exchanges */
export function exchanges(call: Call): Answer {
  const assetClass = call.query.get('asset_class') ?? 'stocks'
  const results = EXCHANGES.filter((row) => row.asset_class === assetClass)
  return jsonAnswer({ results, status: 'OK', request_id: call.requestId, count: results.length })
}

/** GET /v3/reference/conditions */
export function conditions(call: Call): Answer {
  const type = call.query.get('data_type')
  const rows = CONDITIONS.filter((row) => !type || row.data_types.includes(type))
  return listPage(call, rows, CONDITION_LIST)
}

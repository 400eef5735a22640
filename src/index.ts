/** tapelake as a library: what is exported here is the public interface; everything else may change. */
export * from './core/errors.ts'
export {
  isOpen,
  nextSession,
  previousSession,
  sessions,
  type DateLike,
  type InstantLike,
  type Session,
} from './market/calendar/library.ts'
export {
  columnOf,
  type ColumnDefinition,
  type DatasetDefinition,
  type EventKind,
  type Rule,
} from './market/dataset.ts'
export { DATASETS, datasetNamed } from './market/datasets/index.ts'
export {
  activeContract,
  formatFuturesSymbol,
  FUTURES,
  futuresEndMs,
  futuresExpiry,
  futuresRollDate,
  futuresRoot,
  nextContract,
  parseFuturesSymbol,
  rollFaults,
  sessionBreaks,
  type FuturesContract,
  type FuturesRoot,
  type RollFault,
  type SessionBreak,
} from './market/futures.ts'
export {
  formatOptionSymbol,
  parseOptionSymbol,
  type OptionContract,
  type OptionTerms,
  type OptionType,
} from './market/symbols.ts'

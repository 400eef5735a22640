import type { Register } from '../cli.ts'
import { register as backfill } from './backfill.ts'
import { register as backfillAll } from './backfill-all.ts'
import { register as budget } from './budget.ts'
import { register as backup } from './backup.ts'
import { register as calendar } from './calendar.ts'
import { register as compact } from './compact.ts'
import { register as completion } from './completion.ts'
import { register as config } from './config.ts'
import { register as datasets } from './datasets.ts'
import { register as discover } from './discover.ts'
import { register as doctor } from './doctor.ts'
import { register as drift } from './drift.ts'
import { register as gaps } from './gaps.ts'
import { register as health } from './health.ts'
import { register as help } from './help.ts'
import { register as importFiles } from './import.ts'
import { register as nightly } from './nightly.ts'
import { register as plan } from './plan.ts'
import { register as quarantine } from './quarantine.ts'
import { register as quality } from './quality.ts'
import { register as query } from './query.ts'
import { register as restore } from './restore.ts'
import { register as reprocess } from './reprocess.ts'
import { register as reconcile } from './reconcile.ts'
import { register as runs } from './runs.ts'
import { register as schedule } from './schedule.ts'
import { register as simulator } from './simulator.ts'
import { register as snapshotChain } from './snapshot-chain.ts'
import { register as status } from './status.ts'
import { register as stream } from './stream.ts'
import { register as streamOptions } from './stream-options.ts'
import { register as verify } from './verify.ts'
import { register as worker } from './worker.ts'
import { register as workers } from './workers.ts'

/** Every command, in the order in which --help lists them. */
export const COMMANDS: readonly Register[] = [
  backfill,
  backfillAll,
  plan,
  importFiles,
  discover,
  snapshotChain,
  stream,
  streamOptions,
  nightly,
  schedule,
  workers,
  query,
  status,
  runs,
  health,
  verify,
  reconcile,
  compact,
  quarantine,
  backup,
  restore,
  gaps,
  quality,
  drift,
  reprocess,
  budget,
  datasets,
  calendar,
  simulator,
  doctor,
  config,
  completion,
  help,
  worker,
]

export { type Simulator, type SimulatorOptions, startSimulator } from './server.ts'
export { type SimulatorStats } from './stats.ts'
export { PLAN_NAMES, type PlanName } from './plans.ts'
export { UNIVERSE } from './world/universe.ts'

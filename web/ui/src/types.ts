/** The shapes of the public REST and WebSocket interface, as far as the screen reads them. */

export interface Party {
  raw: string
  e164: string | null
  name: string | null
  kind?: 'internal' | 'public' | 'anonymous' | 'other' | null
}

/** What must be done before anything else. */
export type Duty = 'change-password' | 'enrol-second-factor'

export interface WhoAmI {
  employee: Employee
  duty?: Duty | null
  second_factor?: 'off' | 'none' | 'on'
}

export interface OpenSession {
  id: string
  current: boolean
  created_at: string
  seen_at: string | null
  expires_at: string
  address: string | null
  agent: string | null
}

export interface AuditEntry {
  id: number
  at: string
  kind: string
  actor: Named | null
  subject: Named | null
  address: string | null
  agent: string | null
  data: Record<string, unknown>
}

export interface Listening {
  id: number
  at: string
  employee: Named
  recording: number
  call: string | null
  address: string | null
  agent: string | null
}

export interface Named {
  id: number
  name: string | null
}

export type Phase =
  | 'received'
  | 'acknowledged'
  | 'investigating'
  | 'responded'
  | 'verified'
  | 'closed'
  | 'rejected'

export const PHASES: readonly Phase[] = [
  'received',
  'acknowledged',
  'investigating',
  'responded',
  'verified',
  'closed',
  'rejected',
]

export const TIME_NAMES = [
  'queue_wait_s',
  'wait_s',
  'abandoned_after_s',
  'ring_s',
  'first_contact_s',
  'take_s',
  'resolution_s',
] as const

export type TimeName = (typeof TIME_NAMES)[number]

export type Times = { [name in TimeName]: number | null } & {
  stages?: { stage: string; s: number | null }[] | null
}

export interface Leg {
  extension: string | null
  /** An outside telephone has no extension. */
  number?: string | null
  employee: Named | null
  rang_at: string | null
  answered_at: string | null
  ended_at: string | null
  outcome: string | null
}

export interface Transfer {
  at: string
  kind: string
  from: string | null
  to: string | null
}

export interface Recording {
  id: number | string
  state: string
  duration_s: number | null
  started_at: string | null
  /** A code: why it can't be played. */
  reason?: string | null
  /** Nothing but number and time says that it is of this call. */
  guessed?: boolean
}

export interface Call {
  id: string
  pbx: string
  direction: string
  from: Party
  to: Party | string | null
  queue: string | null
  pressed_at: string | null
  queue_entered_at: string | null
  queue_left_at: string | null
  first_ring_at: string | null
  started_at: string | null
  answered_at: string | null
  ended_at: string | null
  outcome: string | null
  /** Null while it goes on, and when nobody saw its end. */
  ended_by?: string | null
  appeal: number | null
  legs: Leg[]
  transfers: Transfer[]
  recordings: Recording[]
  recovered: boolean
}

export interface Appeal {
  number: number
  version: number
  kind: string
  type: string
  category: string | null
  source: string
  verified: string
  phase: Phase
  /** Name of the stage, as in the dictionary. */
  stage: string
  missing: string[]
  gist?: string | null
  result?: string | null
  caller: Party
  customer: Named | null
  opened_at: string
  deadline_at: string | null
  responsible: Named | null
  department?: Named | null
  calls?: Call[] | null
  times: Times | null
  times_business: Times | null
  targets: Record<string, { limit_s: number; met: boolean | null }> | null
  /** What the rights allow this person here; absent in lists. */
  may?: string[]
}

/** An appeal about the person who looks. */
export interface OwnCase {
  number: number
  opened_at: string
  phase: Phase
  handled_by: Named
  explanation: { asked_at: string; due_at: string | null; text: string | null } | null
  hidden: true
}

export interface ConflictRule {
  answered_by: string
  changes: { at: string; old: string | null; new: string }[]
}

/** An entry that this person may not see: the chain goes on. */
export interface HiddenEntry {
  n: number
  hash: string
  hidden: true
}

export interface HistoryEntry {
  n: number
  at: string
  author: Named | string | null
  action: string
  data: Record<string, unknown> | null
}

export interface Employee {
  id: number
  login: string
  name: string
  role: string
  department: Named | string | null
}

export interface Dictionaries {
  types: { code: string; name: string; kind: string }[]
  categories: { code: string; name: string }[]
  stages: { code: string; name: string; phase: Phase; shown_state: string }[]
  employees: Named[]
  /** IANA name of the service's zone. */
  timezone?: string | null
}

export interface Link {
  pbx: string
  state: 'starting' | 'connecting' | 'up' | 'refused' | 'down' | 'closed' | 'standby' | 'stuck'
  since: string | null
  reason: string | null
}

export interface BlindWindow {
  id: number
  pbx: string
  from: string
  to: string | null
  reason: string
  calls_recovered: number
  appeals_recovered: number
}

export interface Difference {
  kind: string
  call: string | null
  appeal: number | null
  recording: number | string | null
  mend: string | null
}

export interface Reconciliation {
  pressed: number
  registered: number
  recorded: number
  sources: { name: string; complete: boolean }[]
  differences: Difference[]
}

export interface Page<Row> {
  items: Row[]
  next: string | null
}

export interface PopData {
  pop_id: string
  round: number
  call: string
  caller: Party
  customer: Named | null
  appeal: number | null
  open_appeals: number[]
  acked?: boolean
  acked_at?: string | null
}

/** A call this person is talking in, with the card that announced it. */
export interface SnapshotCall extends Call {
  pop?: PopData | null
}

export interface Snapshot {
  pops: PopData[]
  calls: SnapshotCall[]
}

export interface Welcome {
  type: 'welcome'
  seq: number
  snapshot: Snapshot | null
}

/** An event as the socket brings it. Types the screen does not know are kept apart by `type`. */
export interface LiveEvent {
  seq: number
  type: string
  at: string
  data: Record<string, unknown>
}

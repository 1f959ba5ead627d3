/** One call in full: who, when, what came of it, at which telephones it rang, its transfers and recordings. */
import { label, t } from '../i18n'
import { pressCall } from '../times'
import type { Call, Leg, Recording, Transfer } from '../types'
import { Caller, Hint, lineOf, Moment, numberOf, seconds } from './bits'
import { Player } from './player'
import { Table, type Column } from './table'

interface Props {
  call: Call
  of: readonly Call[]
  mayListen: boolean
}

export function CallCard({ call, of, mayListen }: Props) {
  return (
    <article class="call" id={callId(call.id)} data-testid={`call-${call.id}`} tabIndex={-1} aria-label={`${label('direction', call.direction)}, ${numberOf(call.from)}`}>
      <header>
        <Moment at={call.started_at} />
        <span>{label('direction', call.direction)}</span>
        <span class="parties">
          <Caller party={call.from} /> <span aria-hidden="true">→</span> <bdi>{lineOf(call.to)}</bdi>
        </span>
        <Outcome call={call} />
        <Talk call={call} />
        {call.ended_by ? <span class="muted">{label('ended_by', call.ended_by)}</span> : null}
        {call.pressed_at ? (
          <span class={pressCall(of)?.id === call.id ? 'strong' : ''}>
            {t('calls.pressed', { at: '' })}
            <Moment at={call.pressed_at} />
          </span>
        ) : null}
        {call.recovered ? <Recovered /> : null}
      </header>
      {(call.legs ?? []).length > 0 ? <Legs legs={call.legs} /> : null}
      {(call.transfers ?? []).length > 0 ? <Transfers transfers={call.transfers} /> : null}
      <Recordings recordings={call.recordings ?? []} mayListen={mayListen} />
    </article>
  )
}

export function callId(id: string): string {
  return `call-${id}`
}

export function isMissed(call: Call): boolean {
  return call.direction === 'in' && call.answered_at === null && call.ended_at !== null
}

export function Outcome({ call }: { call: Call }) {
  const missed = isMissed(call)
  const outcome = call.outcome ?? 'in_progress'
  return (
    <span class={`mark outcome-${missed ? 'missed' : outcome}`}>
      {missed ? `${t('missed')}: ` : ''}
      {label('outcome', outcome)}
    </span>
  )
}

function Talk({ call }: { call: Call }) {
  if (!call.answered_at || !call.ended_at) return null
  return <span class="muted">{t('calls.talk', { time: seconds(talkSeconds(call)) })}</span>
}

/** From the first human contact to the end of the call; null while there is neither. */
export function talkSeconds(call: Call): number | null {
  if (!call.answered_at || !call.ended_at) return null
  return (Date.parse(call.ended_at) - Date.parse(call.answered_at)) / 1000
}

export function Recovered() {
  return (
    <span class="mark recovered">
      {t('calls.recovered')} <Hint name={t('calls.recovered')}>{t('calls.recovered_hint')}</Hint>
    </span>
  )
}

function Legs({ legs }: { legs: readonly Leg[] }) {
  const columns: Column<Leg>[] = [
    { key: 'extension', head: t('leg.extension'), cell: (leg) => <bdi>{telephoneOf(leg)}</bdi> },
    { key: 'employee', head: t('leg.employee'), cell: (leg) => <bdi>{leg.employee?.name ?? '—'}</bdi> },
    { key: 'rang', head: t('leg.rang'), cell: (leg) => <Moment at={leg.rang_at} /> },
    { key: 'answered', head: t('leg.answered'), cell: (leg) => <Moment at={leg.answered_at} /> },
    { key: 'ended', head: t('leg.ended'), cell: (leg) => <Moment at={leg.ended_at} /> },
    { key: 'outcome', head: t('leg.outcome'), cell: (leg) => label('leg.outcome', leg.outcome ?? (leg.ended_at ? 'unknown' : leg.answered_at ? 'talking' : 'ringing')) },
  ]
  return <Table caption={t('calls.legs')} columns={columns} rows={legs} rowKey={(leg) => `${telephoneOf(leg)} ${leg.rang_at} ${leg.answered_at}`} />
}

/** The extension of an employee's telephone; an outside one shows its number. */
function telephoneOf(leg: Leg): string {
  return leg.extension ?? leg.number ?? '—'
}

function Transfers({ transfers }: { transfers: readonly Transfer[] }) {
  return (
    <div>
      <h4>{t('calls.transfers')}</h4>
      <ul class="plain-list">
        {transfers.map((one) => (
          <li key={`${one.at} ${one.to}`}>
            <Moment at={one.at} /> {label('transfer', one.kind)}, <bdi>{one.from ?? '—'}</bdi> → <bdi>{one.to ?? '—'}</bdi>
          </li>
        ))}
      </ul>
    </div>
  )
}

function Recordings({ recordings, mayListen }: { recordings: readonly Recording[]; mayListen: boolean }) {
  if (recordings.length === 0) return <p class="muted">{t('calls.no_recordings')}</p>
  return (
    <div class="recordings">
      {recordings.map((one) => (
        <div key={one.id}>
          {one.guessed ? <Guessed /> : null}
          <OneRecording recording={one} mayListen={mayListen} />
        </div>
      ))}
    </div>
  )
}

function Guessed() {
  return (
    <span class="mark" data-testid="guessed">
      {t('recording.guessed')} <Hint name={t('recording.guessed')}>{t('recording.guessed_hint')}</Hint>
    </span>
  )
}

/** Where listening would be refused the wave is not asked for either: that would be recorded as an attempt. */
function OneRecording({ recording, mayListen }: { recording: Recording; mayListen: boolean }) {
  if (recording.state !== 'converted') {
    const why = recording.reason ? label('recording.why', recording.reason) : label('recording', recording.state)
    return <p class="muted">{why}</p>
  }
  return mayListen ? <Player recording={recording} /> : <p class="muted">{t('recording.not_yours')}</p>
}

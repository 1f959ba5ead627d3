/** One appeal: where it stands, what to do next, how fast people reacted, and the calls that prove it. */
import { useEffect } from 'preact/hooks'
import { api, ApiProblem, type Answer } from '../api'
import { label, t } from '../i18n'
import { useLoad } from '../load'
import { Actions } from '../parts/actions'
import { Caller, Deadline, Heading, Moment, PhaseMark, Problem } from '../parts/bits'
import { CallCard, callId } from '../parts/call'
import { History } from '../parts/history'
import { Route } from '../parts/route'
import { ReactionTimes } from '../parts/times'
import { fields } from '../problems'
import { link, place } from '../router'
import { dictionaries, learnZone, live } from '../store'
import { byTime } from '../times'
import type { Appeal, HiddenEntry, HistoryEntry, OwnCase } from '../types'
import { OwnCasePage } from './own_case'

type Shown = { answer: Answer<Appeal>; history: HistoryEntry[] } | { own: OwnCase }

export function AppealPage({ number }: { number: number }) {
  const { value, error, reload } = useLoad<Shown>(() => read(number), String(number), revision(number))
  useArrival(value !== null)
  if (error && !value) return <Missing number={number} error={error} retry={reload} />
  if (!value) {
    return (
      <>
        <Heading title={`appeal ${number}`}>{t('appeal.title', { number })}</Heading>
        <p class="muted">{t('app.loading')}</p>
      </>
    )
  }
  if ('own' in value) return <OwnCasePage own={value.own} />
  const appeal = value.answer.body
  return (
    <div class="appeal" data-testid="appeal">
      <div class="appeal-head">
        <Heading title={`appeal ${number}`}>{t('appeal.title', { number })}</Heading>
        <PhaseMark phase={appeal.phase} />
        <span>
          <span class="muted">{t('appeal.deadline')}</span> <Deadline appeal={appeal} />
        </span>
      </div>
      {error ? <Problem error={error} retry={reload} /> : null}
      <Route appeal={appeal} />
      {appeal.missing.length > 0 && isOpen(appeal) ? (
        <p class="note" data-testid="missing">
          {t('appeal.missing')} <strong>{fields(appeal.missing)}</strong>
        </p>
      ) : null}
      <div class="two">
        <Facts appeal={appeal} />
        <Actions appeal={appeal} etag={value.answer.etag} reload={reload} />
      </div>
      <ReactionTimes appeal={appeal} history={value.history} />
      <Calls appeal={appeal} />
      <History entries={value.history} calls={appeal.calls ?? []} />
    </div>
  )
}

async function read(number: number): Promise<Shown> {
  const answer = await api.appeal(number)
  learnZone(answer.body.opened_at)
  if ('hidden' in answer.body) return { own: answer.body }
  const history = await api.history(number)
  return { answer: { ...answer, body: answer.body }, history: history.items.filter(shown) }
}

/** Refused attempts of others are not for everybody: their places in the chain are left out here. */
function shown(entry: HistoryEntry | HiddenEntry): entry is HistoryEntry {
  return !('hidden' in entry)
}

function revision(number: number): string {
  const { epoch, touched, callSeq } = live.value
  return `${epoch} ${touched[number] ?? 0} ${callSeq}`
}

function isOpen(appeal: Appeal): boolean {
  return ['received', 'acknowledged', 'investigating'].includes(appeal.phase)
}

function Missing({ number, error, retry }: { number: number; error: unknown; retry: () => void }) {
  const gone = error instanceof ApiProblem && error.status === 404
  return (
    <>
      <Heading title={`appeal ${number}`}>{t('appeal.title', { number })}</Heading>
      {gone ? <p class="empty">{t('appeal.not_found', { number })}</p> : <Problem error={error} retry={retry} />}
      <p>
        <a href={link(['appeals'])}>{t('app.to_list')}</a>
      </p>
    </>
  )
}

function Facts({ appeal }: { appeal: Appeal }) {
  const names = dictionaries.value
  const type = names?.types.find((one) => one.code === appeal.type)?.name
  const category = names?.categories.find((one) => one.code === appeal.category)?.name ?? appeal.category
  return (
    <section class="panel" aria-labelledby="facts-title">
      <h2 id="facts-title">{t('appeal.facts')}</h2>
      <dl class="facts">
        <dt>{t('appeal.caller')}</dt>
        <dd>
          <Caller party={appeal.caller} />
        </dd>
        <dt>{t('appeal.customer')}</dt>
        <dd>{appeal.customer ? <bdi>{appeal.customer.name ?? `№ ${appeal.customer.id}`}</bdi> : t('appeal.unknown_customer')}</dd>
        <dt>{t('appeal.type')}</dt>
        <dd>
          {appeal.type}
          {type ? `, ${type}` : ''}
        </dd>
        <dt>{t('appeal.opened')}</dt>
        <dd>
          <Moment at={appeal.opened_at} />
        </dd>
        <dt>{t('appeal.responsible')}</dt>
        <dd>{appeal.responsible ? <bdi>{appeal.responsible.name}</bdi> : t('appeal.nobody')}</dd>
        <dt>{t('appeal.source')}</dt>
        <dd>
          {label('source', appeal.source)}. {label('verified', appeal.verified)}.
        </dd>
        {category ? (
          <>
            <dt>{t('appeal.category')}</dt>
            <dd>{category}</dd>
          </>
        ) : null}
        {appeal.gist ? (
          <>
            <dt>{t('appeal.gist')}</dt>
            <dd class="prose">{appeal.gist}</dd>
          </>
        ) : null}
        {appeal.result ? (
          <>
            <dt>{t('appeal.result')}</dt>
            <dd class="prose">{appeal.result}</dd>
          </>
        ) : null}
      </dl>
    </section>
  )
}

function Calls({ appeal }: { appeal: Appeal }) {
  const calls = byTime(appeal.calls ?? [])
  return (
    <section class="panel" aria-labelledby="calls">
      <h2 id="calls" tabIndex={-1}>
        {t('calls.of_appeal')}
      </h2>
      {calls.length === 0 ? <p class="empty">{t('calls.none_of_appeal')}</p> : null}
      {calls.map((call) => (
        <CallCard key={call.id} call={call} of={calls} mayListen={appeal.may?.includes('listen') ?? true} />
      ))}
    </section>
  )
}

/** A link may point into the page: at its calls, its history, or one call. */
function useArrival(ready: boolean): void {
  const query = place.value.query
  const call = query.get('call')
  const target = call ? callId(call) : query.get('to')
  const visit = place.value.visit
  useEffect(() => {
    if (!ready || !target) return
    const element = document.getElementById(target)
    element?.scrollIntoView({ block: 'start' })
    element?.focus({ preventScroll: true })
  }, [ready, target, visit])
}

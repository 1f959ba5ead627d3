/** A day's presses, appeals and recordings side by side, with each difference. */
import { api } from '../api'
import { label, t } from '../i18n'
import { useLoad } from '../load'
import { Empty, Heading, Moment, Problem } from '../parts/bits'
import { Table, type Column } from '../parts/table'
import { link, place, refine } from '../router'
import { today as todayThere } from '../store'
import { addDays, dayText } from '../time'
import type { Difference, Reconciliation } from '../types'

export function ReconciliationPage() {
  const today = todayThere.value
  const day = place.value.query.get('day') || today
  const { value, error, busy, reload } = useLoad(() => api.reconciliation(day), day)
  const go = (to: string) => refine(['reconciliation'], { day: to })
  return (
    <>
      <Heading title="reconciliation">{t('recon.title')}</Heading>
      <p class="muted">{t('recon.intro')}</p>
      <form class="filters" onSubmit={(event) => event.preventDefault()}>
        <button type="button" class="secondary" aria-label={t('recon.previous')} onClick={() => go(addDays(day, -1))}>
          ←
        </button>
        <label>
          {t('recon.day')}
          <input type="date" value={day} max={today} data-testid="recon-day" onChange={(event) => go(event.currentTarget.value)} />
        </label>
        <button type="button" class="secondary" aria-label={t('recon.next')} disabled={day >= today} onClick={() => go(addDays(day, 1))}>
          →
        </button>
      </form>
      {error ? <Problem error={error} retry={reload} /> : null}
      {!value && busy ? <p class="muted">{t('app.loading')}</p> : null}
      {value ? <Result day={day} value={value} /> : null}
      <Rule />
    </>
  )
}

/** What the conflict rule leaves to the employee who answered the call, and since when. */
function Rule() {
  const { value } = useLoad(() => api.conflictRule(), 'conflict-rule')
  const last = value?.changes[0]
  return value ? (
    <p class="muted" data-testid="conflict-rule">
      {t('rule.title')}: {label('rule', value.answered_by)}
      {last?.old ? (
        <>
          {' '}
          ({t('rule.before', { rule: label('rule', last.old) })}, <Moment at={last.at} />)
        </>
      ) : null}
    </p>
  ) : null
}

function Result({ day, value }: { day: string; value: Reconciliation }) {
  const complete = value.sources.every((one) => one.complete)
  return (
    <>
      <dl class="figures">
        <Figure name={t('recon.pressed')} count={value.pressed} href={link(['calls'], { day, pressed: true })} />
        <Figure name={t('recon.registered')} count={value.registered} href={link(['appeals'], { from: day, to: day })} />
        <Figure name={t('recon.recorded')} count={value.recorded} href={link(['calls'], { day, pressed: true, recorded: true })} />
      </dl>
      <p class="sources">
        {t('recon.sources')}:{' '}
        {value.sources.map((one) => (
          <span key={one.name} class={`mark ${one.complete ? 'met' : 'late'}`}>
            {one.name} — {t(one.complete ? 'recon.complete' : 'recon.incomplete')}
          </span>
        ))}
      </p>
      <h2>{t('recon.differences')}</h2>
      {value.differences.length === 0 ? (
        <Empty>{t(complete ? 'recon.none' : 'recon.none_incomplete')}</Empty>
      ) : (
        <Table
          caption={t('recon.caption', { day: dayText(day) })}
          columns={columns()}
          rows={value.differences}
          rowKey={(row) => `${row.kind} ${row.call} ${row.appeal} ${row.recording}`}
        />
      )}
    </>
  )
}

function Figure({ name, count, href }: { name: string; count: number; href: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        <a href={href}>{count}</a>
      </dd>
    </div>
  )
}

function columns(): Column<Difference>[] {
  return [
    { key: 'kind', head: t('recon.col.kind'), class: 'col-wide', cell: (row) => <strong class="late">{label('recon', row.kind)}</strong> },
    {
      key: 'call',
      head: t('recon.col.call'),
      cell: (row) =>
        row.call && row.appeal !== null ? <a href={link(['appeals', row.appeal], { call: row.call })}>{row.call}</a> : <bdi>{row.call ?? '—'}</bdi>,
    },
    { key: 'appeal', head: t('recon.col.appeal'), cell: (row) => (row.appeal === null ? '—' : <a href={link(['appeals', row.appeal])}>{row.appeal}</a>) },
    { key: 'recording', head: t('recon.col.recording'), cell: (row) => row.recording ?? '—' },
    { key: 'mend', head: t('recon.col.mend'), cell: (row) => label('mend', row.mend) },
  ]
}

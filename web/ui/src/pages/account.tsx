/** One's own keys and where one is signed in. */
import { useState } from 'preact/hooks'
import { api } from '../api'
import { t } from '../i18n'
import { useLoad } from '../load'
import { Agent, Heading, Moment, Problem } from '../parts/bits'
import { PasswordForm, SecondFactorForm } from '../parts/keys'
import { Table, type Column } from '../parts/table'
import { notice, secondFactor } from '../store'
import type { OpenSession } from '../types'

export function AccountPage() {
  const [changed, setChanged] = useState(0)
  const said = (text: string) => {
    notice.value = text
    setChanged((n) => n + 1)
  }
  return (
    <>
      <Heading title="me">{t('nav.me')}</Heading>
      <div class="account">
        <section aria-labelledby="account-password">
          <h2 id="account-password">{t('account.password')}</h2>
          <p class="muted">{t('account.password_note')}</p>
          <PasswordForm done={() => said(t('account.changed'))} />
          {changed > 0 && notice.value === t('account.changed') ? <p class="note">{t('account.changed')}</p> : null}
        </section>
        {secondFactor.value === 'off' ? null : <Factor said={said} />}
      </div>
      <Sessions revision={changed} />
    </>
  )
}

function Factor({ said }: { said: (text: string) => void }) {
  return (
    <section aria-labelledby="account-factor">
      <h2 id="account-factor">{t('factor.title')}</h2>
      <p class="muted">{t('factor.note')}</p>
      <SecondFactorForm key={secondFactor.value} replaces={secondFactor.value === 'on'} done={() => said(t('factor.done'))} />
    </section>
  )
}

function Sessions({ revision }: { revision: number }) {
  const { value, error, busy, reload } = useLoad(async () => (await api.mySessions()).items, 'sessions', revision)
  const [failed, setFailed] = useState<unknown>(null)
  const end = async (work: Promise<unknown>) => {
    try {
      await work
      setFailed(null)
    } catch (problem) {
      setFailed(problem)
    }
    reload()
  }
  const others = value?.filter((one) => !one.current).length ?? 0
  return (
    <section aria-labelledby="account-sessions">
      <h2 id="account-sessions">{t('sessions.title')}</h2>
      {error ?? failed ? <Problem error={error ?? failed} retry={reload} /> : null}
      {value ? (
        <Table
          caption={t('sessions.title')}
          columns={columns((id) => void end(api.endSession(id)))}
          rows={value}
          rowKey={(row) => row.id}
          testId={(row) => (row.current ? 'session-here' : 'session-other')}
          busy={busy}
        />
      ) : null}
      {others > 0 ? (
        <button type="button" class="secondary" data-testid="end-others" onClick={() => void end(api.endOtherSessions())}>
          {t('sessions.end_others')}
        </button>
      ) : null}
    </section>
  )
}

function columns(end: (id: string) => void): Column<OpenSession>[] {
  return [
    { key: 'from', head: t('sessions.col.from'), cell: (row) => row.address ?? '—' },
    { key: 'agent', head: t('sessions.col.agent'), cell: (row) => <Agent agent={row.agent} /> },
    { key: 'created', head: t('sessions.col.created'), cell: (row) => <Moment at={row.created_at} /> },
    { key: 'seen', head: t('sessions.col.seen'), hint: t('sessions.col.seen_hint'), cell: (row) => (row.seen_at ? <Moment at={row.seen_at} /> : '—') },
    {
      key: 'end',
      head: t('sessions.col.end'),
      cell: (row) =>
        row.current ? (
          <strong>{t('sessions.here')}</strong>
        ) : (
          <button type="button" class="secondary small" onClick={() => end(row.id)}>
            {t('sessions.end')}
          </button>
        ),
    },
  ]
}

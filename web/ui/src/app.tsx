/** The whole screen: who is signed in decides whether there is a desk; the address decides which page. */
import { useEffect } from 'preact/hooks'
import { language, t, type TextKey } from './i18n'
import { AccountPage } from './pages/account'
import { AppealPage } from './pages/appeal'
import { AppealsPage } from './pages/appeals'
import { AuditPage } from './pages/audit'
import { BlindPage } from './pages/blind'
import { CallsPage } from './pages/calls'
import { DutyPage } from './pages/duty'
import { ReconciliationPage } from './pages/reconciliation'
import { SignIn } from './pages/signin'
import { LinkBanner } from './parts/banner'
import { Heading } from './parts/bits'
import { Header } from './parts/header'
import { Pops } from './parts/pops'
import { place } from './router'
import { askSession, duty, notice, signedIn, socketState } from './store'

export function App() {
  useEffect(() => {
    document.documentElement.lang = language.value
  }, [language.value])
  const state = signedIn.value
  if (state === 'yes') return duty.value ? <DutyPage duty={duty.value} /> : <Desk />
  if (state === 'asking') return <p class="waiting">{t('app.loading')}</p>
  if (state === 'unreachable') return <Unreachable />
  return <SignIn />
}

function Desk() {
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>
        {t('app.skip')}
      </a>
      <Header />
      <LinkBanner />
      {socketState.value === 'lost' ? <p class="banner banner-soft">{t('socket.lost')}</p> : null}
      <p class="hidden" role="status">
        {notice.value}
      </p>
      <div class="desk">
        <main id="main" tabIndex={-1}>
          <Page />
        </main>
        <Pops />
      </div>
    </>
  )
}

/** The part after # is the page's address, so the skip link moves the focus itself. */
function skip(event: MouseEvent): void {
  event.preventDefault()
  document.getElementById('main')?.focus()
}

const TITLES: Record<string, TextKey> = {
  appeals: 'nav.appeals',
  calls: 'nav.calls',
  'blind-windows': 'nav.blind',
  reconciliation: 'nav.reconciliation',
  audit: 'nav.audit',
  me: 'nav.me',
}

function Page() {
  const [name = 'appeals', id] = place.value.path
  const number = name === 'appeals' && id !== undefined ? Number(id) : null
  const title = number ? t('appeal.title', { number }) : t(TITLES[name] ?? 'nav.appeals')
  useEffect(() => {
    document.title = `${title} · press3`
  }, [title])
  if (number !== null) return Number.isInteger(number) ? <AppealPage key={number} number={number} /> : <Lost />
  if (name === 'appeals') return <AppealsPage />
  if (name === 'calls') return <CallsPage />
  if (name === 'blind-windows') return <BlindPage />
  if (name === 'reconciliation') return <ReconciliationPage />
  if (name === 'audit') return <AuditPage />
  if (name === 'me') return <AccountPage />
  return <Lost />
}

function Lost() {
  return <Heading title="lost">{t('app.not_found')}</Heading>
}

function Unreachable() {
  return (
    <main class="signin">
      <h1>press3</h1>
      <p role="alert">{t('error.unreachable')}</p>
      <button type="button" onClick={() => void askSession()}>
        {t('app.retry')}
      </button>
    </main>
  )
}

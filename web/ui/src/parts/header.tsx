/** The line above every page: where one can go, whether the screen is live, and who one is. */
import { signal } from '@preact/signals'
import { chooseLanguage, label, language, LANGUAGES, t, type TextKey } from '../i18n'
import { recall, remember } from '../prefs'
import { link, place } from '../router'
import { employee, maySupervise, signOut, socketState } from '../store'
import { soundBlocked, soundOn, switchSound, unblock } from '../sound'

const PAGES = [
  { path: 'appeals', text: 'nav.appeals', supervisors: false },
  { path: 'calls', text: 'nav.calls', supervisors: false },
  { path: 'blind-windows', text: 'nav.blind', supervisors: true },
  { path: 'reconciliation', text: 'nav.reconciliation', supervisors: true },
  { path: 'audit', text: 'nav.audit', supervisors: true },
] as const

export function Header() {
  const person = employee.value
  return (
    <header class="top">
      <a class="brand" href={link(['appeals'])}>
        press3
      </a>
      <nav aria-label={t('app.nav')}>
        <ul>
          {PAGES.filter((page) => !page.supervisors || maySupervise.value).map((page) => (
            <li key={page.path}>
              <a href={link([page.path])} aria-current={here() === page.path ? 'page' : undefined}>
                {t(page.text)}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <SocketState />
      <Sound />
      <Settings />
      <a class="person" href={link(['me'])} title={t('nav.me')} aria-current={here() === 'me' ? 'page' : undefined} data-testid="me">
        <bdi>{person?.name}</bdi>
        <small class="muted">{label('role', person?.role)}</small>
      </a>
      <button type="button" class="secondary small" data-testid="sign-out" onClick={() => void signOut()}>
        {t('app.sign_out')}
      </button>
    </header>
  )
}

function here(): string {
  return place.value.path[0] ?? 'appeals'
}

function SocketState() {
  const state = socketState.value
  return (
    <span class={`socket socket-${state}`} role="status" data-testid="socket-state" data-state={state}>
      {t(`socket.${state}`)}
    </span>
  )
}

function Sound() {
  if (soundOn.value && soundBlocked.value) {
    return (
      <button type="button" class="secondary small attention" onClick={() => void unblock()}>
        {t('sound.blocked')}
      </button>
    )
  }
  return (
    <button
      type="button"
      class="secondary small icon"
      role="switch"
      aria-checked={soundOn.value}
      aria-label={t('sound.on')}
      title={soundOn.value ? t('sound.on') : t('sound.off')}
      data-testid="sound-switch"
      onClick={() => switchSound(!soundOn.value)}
    >
      <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="1.500">
        <path d="M2 6v4h2.500L8 13V3L4.500 6z" fill="currentColor" />
        {soundOn.value ? <path d="M10.500 5.500a3.500 3.500 0 0 1 0 5M12.500 3.500a6.500 6.500 0 0 1 0 9" /> : <path d="M10.500 6l4 4m0-4l-4 4" />}
      </svg>
    </button>
  )
}

const THEMES = ['auto', 'light', 'dark'] as const
type Theme = (typeof THEMES)[number]
const theme = signal<Theme>(THEMES.find((one) => one === recall('theme')) ?? 'auto')

function chooseTheme(chosen: Theme): void {
  theme.value = chosen
  remember('theme', chosen)
  if (chosen === 'auto') delete document.documentElement.dataset['theme']
  else document.documentElement.dataset['theme'] = chosen
}

/** Language and theme; also on the sign-in page. */
export function Settings() {
  return (
    <span class="settings">
      <select
        aria-label={t('app.theme')}
        data-testid="theme"
        value={theme.value}
        onChange={(event) => chooseTheme(event.currentTarget.value as Theme)}
      >
        {THEMES.map((one) => (
          <option key={one} value={one}>
            {t(`app.theme.${one}` as TextKey)}
          </option>
        ))}
      </select>
      <span class="languages" role="group" aria-label={t('app.language')}>
        {LANGUAGES.map((one) => (
          <button
            key={one}
            type="button"
            class="small plain"
            lang={one}
            aria-pressed={language.value === one}
            aria-label={one === 'ru' ? 'RU, русский' : 'EN, English'}
            data-testid={`language-${one}`}
            onClick={() => chooseLanguage(one)}
          >
            {one.toUpperCase()}
          </button>
        ))}
      </span>
    </span>
  )
}

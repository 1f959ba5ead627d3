import '@picocss/pico/css/pico.min.css'
import './style.css'
import { render } from 'preact'
import { App } from './app'
import { begin } from './store'

const root = document.getElementById('screen')
if (!root) throw new Error('index.html has no #screen')
render(<App />, root)
void begin()

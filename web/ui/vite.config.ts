import { loadEnv } from 'vite'
import { defineConfig } from 'vitest/config'

// PRESS3_SERVER=http://… npx vite: the sources live against a running press3.
const server = loadEnv('', '.', 'PRESS3_')['PRESS3_SERVER'] ?? 'http://127.0.0.1:8080'

export default defineConfig({
  base: './',
  build: { outDir: '../static', emptyOutDir: true, target: 'es2022', assetsInlineLimit: 0 },
  server: { proxy: { '/api': server, '/ws': { target: server, ws: true } } },
  test: { include: ['tests/**/*.test.ts'] },
})

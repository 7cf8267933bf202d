import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';
import { compressed, licenses, modernFontsOnly } from './plugins/output.js';

export default defineConfig({
  base: './',
  plugins: [svelte(), modernFontsOnly(), licenses(), compressed()],
  worker: { format: 'es' },
  build: {
    target: ['chrome123', 'firefox120', 'safari17.5'],
    // Nothing as a data: URL, so that the content security policy can name 'self' alone.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});

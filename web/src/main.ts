import '@fontsource-variable/atkinson-hyperlegible-next/wght.css';
import '@fontsource-variable/atkinson-hyperlegible-next/wght-italic.css';
import '@fontsource-variable/atkinson-hyperlegible-mono/wght.css';
import './styles/tokens.css';
import './styles/base.css';
import './styles/markdown.css';
import { mount } from 'svelte';
import App from './App.svelte';
import { startApp } from './app.svelte';
import { startPrefs } from './data/prefs.svelte';
import { refreshServer } from './data/server.svelte';
import { allowOwnWorkers } from './trusted';

allowOwnWorkers();
startPrefs();
mount(App, { target: document.getElementById('app')! });
void startApp();
void refreshServer();

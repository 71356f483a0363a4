/** Starts the page. */
import { render } from 'preact';
import './styles/tokens.css';
import './styles/base.css';
import { App } from './app.js';
import { followSurvey } from './image/survey.js';
import { addFiles } from './intake/intake.js';
import { onLaunch } from './intake/launch.js';
import { keepAwake, warnOnLeaving } from './jobs/guards.js';
import { warmUp } from './jobs/warm-up.js';
import { followImage } from './output/output.js';
import { loadFormats } from './shell/engine.js';
import { installServiceWorker } from './shell/update.js';

render(<App />, document.getElementById('app')!);
void loadFormats();
followImage();
followSurvey();
keepAwake();
warnOnLeaving();
warmUp();
onLaunch((files) => void addFiles(files));
installServiceWorker();

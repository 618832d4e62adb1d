/** Entry of the script: registers `<passerelle-switch>`. Including the script twice changes nothing. */

import { PasserelleSwitch } from './element/element';

const TAG = 'passerelle-switch';

if (!customElements.get(TAG)) customElements.define(TAG, PasserelleSwitch);

// A page that calls another one as people do: a camera or a screen, and a voice with pauses.
// `calls.offer`, `calls.answer` and `calls.accept` exchange whole descriptions, so nothing is trickled.
globalThis.calls = (() => {
  const open = new Map();
  const GATHER_MS = 2000;
  const SYLLABLE_MS = 125;
  const between = (least, most) => least + Math.random() * (most - least);

  // --- pictures ---------------------------------------------------------------------------------

  function canvas(width, height) {
    const made = Object.assign(document.createElement('canvas'), { width, height });
    return [made, made.getContext('2d', { alpha: false })];
  }

  // Grey noise twice as large as the picture: a part of it at a random place is a sensor's noise.
  function grain(width, height) {
    const [made, context] = canvas(width * 2, height * 2);
    const image = context.createImageData(made.width, made.height);
    const words = new Uint32Array(image.data.buffer);
    for (let at = 0; at < words.length; at += 1) {
      const grey = Math.random() * 256;
      words[at] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
    }
    context.putImageData(image, 0, 0);
    return made;
  }

  function room(width, height) {
    const [made, context] = canvas(width, height);
    for (let count = 0; count < 60; count += 1) {
      context.fillStyle = `hsl(${between(0, 360)} ${between(10, 60)}% ${between(15, 80)}%)`;
      context.fillRect(between(-50, width), between(-50, height), between(5, 200), between(5, 150));
    }
    return made;
  }

  // A head that sways, gestures of some seconds, and noise as strong as the light is bad.
  function camera({ width, height, noise, motion }) {
    const [made, context] = canvas(width, height);
    const [behind, speckle] = [room(width, height), grain(width, height)];
    let [gesture, left] = [0, 0];
    const draw = (time) => {
      left -= 1;
      if (left < 0) [gesture, left] = [gesture ? 0 : motion, between(10, 90)];
      const sway = Math.sin(time / 900) * 8 + Math.sin(time / 170) * gesture;
      const [x, y] = [width / 2 + sway, height * 0.45 + Math.sin(time / 310) * gesture * 0.4];
      context.globalAlpha = 1;
      context.drawImage(behind, 0, 0);
      context.fillStyle = '#c98';
      context.beginPath();
      context.ellipse(x, y, height * 0.2, height * 0.27, 0, 0, 7);
      context.fill();
      context.fillStyle = '#345';
      context.fillRect(x - height * 0.35, y + height * 0.25, height * 0.7, height);
      context.fillStyle = '#321';
      for (const side of [-1, 1]) context.fillRect(x + side * height * 0.08, y - 12, 10, 6);
      context.fillRect(x - 14, y + height * 0.12, 28, 3 + 6 * Math.abs(Math.sin(time / 90)));
      if (gesture) {
        context.fillStyle = '#c98';
        context.fillRect(x + height * 0.4 * Math.sin(time / 130), y + height * 0.2, 60, 60);
      }
      context.globalAlpha = noise;
      context.drawImage(speckle, -between(0, width), -between(0, height));
    };
    return [made, draw];
  }

  // Text that is written, scrolls now and then, and is another page sometimes.
  function screen({ width, height }) {
    const [made, context] = canvas(width, height);
    const line = () => Math.random().toString(36).repeat(between(3, 9));
    const full = () => Array.from({ length: Math.floor(height / 20) }, line);
    let [lines, wait] = [full(), 0];
    const draw = () => {
      wait -= 1;
      if (wait > 0) return;
      wait = between(1, 30);
      const chance = Math.random();
      if (chance < 0.08) lines = full();
      else if (chance < 0.3) lines = [...lines.slice(3), line(), line(), line()];
      else lines[Math.floor(between(0, lines.length))] = line();
      context.fillStyle = '#fff';
      context.fillRect(0, 0, width, height);
      context.fillStyle = '#222';
      context.font = '15px monospace';
      lines.forEach((text, row) => context.fillText(text, 10, 20 * row + 15));
    };
    return [made, draw];
  }

  // --- sound ------------------------------------------------------------------------------------

  let sound;
  function hiss() {
    sound ??= new AudioContext();
    const buffer = sound.createBuffer(1, sound.sampleRate * 4, sound.sampleRate);
    const samples = buffer.getChannelData(0);
    for (let at = 0; at < samples.length; at += 1) samples[at] = Math.random() * 2 - 1;
    const source = Object.assign(sound.createBufferSource(), { buffer, loop: true });
    source.start();
    return source;
  }

  // Syllables for a while, then only the room's noise for a while.
  function voice(share) {
    const source = hiss();
    const mouth = Object.assign(sound.createBiquadFilter(), { type: 'bandpass' });
    const loud = sound.createGain();
    const output = sound.createMediaStreamDestination();
    source.connect(mouth).connect(loud).connect(output);
    loud.gain.value = 0.001;
    let [talks, until] = [false, 0];
    const timer = setInterval(() => {
      const now = performance.now();
      if (now > until) {
        talks = !talks;
        until = now + 1000 * between(0.5, 6) * (talks ? share : 1 - share);
      }
      mouth.frequency.value = between(250, 2500);
      loud.gain.setTargetAtTime(talks ? between(0.02, 0.5) : 0.001, sound.currentTime, 0.03);
    }, SYLLABLE_MS);
    return [output.stream.getAudioTracks()[0], () => (clearInterval(timer), source.stop())];
  }

  // --- calls ------------------------------------------------------------------------------------

  function media(end) {
    const [made, draw] = end.screen ? screen(end) : camera(end);
    draw(0);
    const timer = setInterval(() => draw(performance.now()), 1000 / end.frames);
    const picture = made.captureStream(end.frames).getVideoTracks()[0];
    picture.contentHint = end.screen ? 'detail' : 'motion';
    const [spoken, silence] = voice(end.talk);
    return [[picture, spoken], () => (clearInterval(timer), silence())];
  }

  function connect(name, end) {
    const connection = new RTCPeerConnection();
    const [tracks, stop] = media(end);
    open.set(name, { connection, tracks, stop, end });
    // What arrives is shown, so that it is decoded.
    connection.ontrack = ({ track }) => {
      const shown = document.createElement(track.kind);
      Object.assign(shown, { srcObject: new MediaStream([track]), autoplay: true, muted: true });
      // Without a graphics processor a large picture costs so much that packets would come late.
      shown.style.width = '16px';
      document.body.append(shown);
      track.onended = () => shown.remove();
    };
    return open.get(name);
  }

  async function add({ connection, tracks, end }) {
    const stream = new MediaStream(tracks);
    for (const track of tracks) {
      const sender = connection.addTrack(track, stream);
      if (track.kind !== 'video' || !end.kbit) continue;
      const parameters = sender.getParameters();
      parameters.encodings = [{ ...parameters.encodings[0], maxBitrate: end.kbit * 1000 }];
      await sender.setParameters(parameters);
    }
  }

  async function described(connection) {
    await Promise.race([
      new Promise((resolve) => {
        const look = () => connection.iceGatheringState === 'complete' && resolve();
        connection.addEventListener('icegatheringstatechange', look);
        look();
      }),
      new Promise((resolve) => setTimeout(resolve, GATHER_MS)),
    ]);
    return connection.localDescription.sdp;
  }

  // Silence is left out of the sound, as some applications have it.
  const quiet = (sdp, end) =>
    end.quiet ? sdp.replace('useinbandfec=1', 'useinbandfec=1;usedtx=1') : sdp;

  return {
    async offer(name, end) {
      const call = connect(name, end);
      await add(call);
      await call.connection.setLocalDescription(await call.connection.createOffer());
      return described(call.connection);
    },
    async answer(name, end, sdp) {
      const call = connect(name, end);
      await call.connection.setRemoteDescription({ type: 'offer', sdp: quiet(sdp, end) });
      await add(call);
      await call.connection.setLocalDescription(await call.connection.createAnswer());
      return described(call.connection);
    },
    async accept(name, sdp) {
      const { connection, end } = open.get(name);
      await connection.setRemoteDescription({ type: 'answer', sdp: quiet(sdp, end) });
    },
    connected: (name) => open.get(name).connection.connectionState === 'connected',
    async sent(name) {
      const found = [...(await open.get(name).connection.getStats()).values()];
      const video = found.find(({ type, kind }) => type === 'outbound-rtp' && kind === 'video');
      const { bytesSent, framesPerSecond, frameWidth, qualityLimitationReason } = video;
      return { bytesSent, framesPerSecond, frameWidth, qualityLimitationReason };
    },
    end(name) {
      const { connection, stop, tracks } = open.get(name);
      connection.close();
      for (const track of tracks) track.stop();
      stop();
      document.querySelectorAll('video,audio').forEach((each) => each.srcObject?.active || each.remove());
      open.delete(name);
    },
  };
})();

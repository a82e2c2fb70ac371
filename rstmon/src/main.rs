fn main() { 
    let p = rstmon::probe::Probe::start(&rstmon::probe::Options{ verifier_log: true, ..Default::default()});
    match p { Ok(p)=>{ for h in &p.hooks {println!("{h:?}");} println!("{:?}", p.missing_fields);
      let mut p=p; 
      let t=std::time::Instant::now();
      while t.elapsed().as_secs()<std::env::args().nth(1).and_then(|s|s.parse().ok()).unwrap_or(5) { if let Ok(b)=p.events.try_recv() { for r in b { println!("{:?}", rstmon::model::Reset::decode(&r,&p.reasons, rstmon::model::Clock::now())); } } std::thread::sleep(std::time::Duration::from_millis(20)); }
      println!("{:?}", p.counts.read());
      println!("{:?}", p.programs.stats());
    }, Err(e)=>println!("ERR {e}") } }

//! x
use compexp_nli::model::{lstm::{Lstm,DirectionWeights}, steps::Sequences};
fn cpu()->f64{let s=std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();s.split(" ").next().unwrap().parse::<f64>().unwrap()*1e-9}
fn main(){
 let noise=|n:usize,s:u64|->Vec<f32>{let mut st=s;(0..n).map(|_|{st=st.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);((st>>40) as f32/(1u64<<24) as f32-0.5)*0.1}).collect()};
 let (e,h,b)=(300,512,100);
 let w=(noise(4*h*e,1),noise(4*h*h,2),noise(4*h,3));
 let lstm=Lstm::new(e,h,&[DirectionWeights{weight_ih:&w.0,weight_hh:&w.1,bias_ih:&w.2,bias_hh:&w.2}]).unwrap();
 let lens:Vec<usize>=(0..b).map(|i|5+(i*7919)%20).collect();
 let total:usize=lens.iter().sum();
 let x=noise(total*e,5);
 let mut at=0u32; let seqs:Vec<Vec<u32>>=lens.iter().map(|&n|{let v=(at..at+n as u32).collect();at+=n as u32;v}).collect();
 let s=Sequences::new(seqs.iter().map(|v|&v[..]));
 let pool=rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
 pool.install(||{
 let mut ts=vec![];
 for _ in 0..30{let t=cpu();std::hint::black_box(lstm.forward(&s,&x).unwrap());ts.push(cpu()-t);}
 ts.sort_by(f64::total_cmp);
 let fl=2.0*total as f64*(4*h*(e+h)) as f64;
 println!("{total} steps median {:.2} ms min {:.2} ms {:.1} GFLOPS", ts[15]*1e3, ts[0]*1e3, fl/ts[0]/1e9);
 });
}
